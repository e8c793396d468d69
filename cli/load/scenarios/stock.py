"""What the visits of one generator work with: people who are signed in, and tickets that were listed for the load."""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.load.generator.visit import Check, Person

PRICE = 25.0
# Titles are of these words, so that a search finds some tickets and not all.
ARTISTS = tuple(f"artist{number}" for number in range(10))


@dataclass(slots=True)
class Stock:
    """People and tickets. `free` are those tickets that a visit may take.

    `held` says who was told that they hold a ticket and did not let go of it yet.
    """

    seller: Person | None
    buyers: Sequence[Person]
    tickets: Sequence[str]
    free: deque[str] = field(init=False)
    held: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = deque(self.tickets)

    def buyer(self, chance: random.Random) -> Person:
        """Return one of the buyers."""
        return chance.choice(self.buyers)

    def check_hold(self, person: Person, ticket: str) -> Check:
        """Return the check of an order: it is the person's, of this ticket at its price, and nobody else's hold.

        Who holds the ticket already is told so, and may be about to pay it in another visit.
        """

        def check(status: int, order: Any) -> str | None:  # noqa: ANN401 - JSON
            is_new = status == _IS_NEW
            found = (order["userId"], order["ticket"]["id"], order["price"], order["status"] if is_new else "created")
            if found != (person.id, ticket, PRICE, "created"):
                return f"{ticket} is held as {found}"
            if is_new and self.held.setdefault(ticket, person.id) != person.id:
                return f"{ticket} is held by two people at once"
            return None

        return check

    def let_go(self, order: Mapping[str, Any]) -> None:
        """Note that the holder is about to let go: from now on somebody else may have the ticket."""
        self.held.pop(order["ticket"]["id"], None)


_IS_NEW = 201


def has(**expected: object) -> Check:
    """Return the check that these fields of an answer have these values."""

    def check(_: int, found: Any) -> str | None:  # noqa: ANN401 - JSON
        wrong = {name: found[name] for name, value in expected.items() if found[name] != value}
        return f"answered {wrong}" if wrong else None

    return check
