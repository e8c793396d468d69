"""The few tickets that everybody wants."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

# A ticket is replaced after this many operations, so that checking its history stays cheap.
MOST_OPERATIONS = 90
# Once it is sold or withdrawn some more are told so.
AFTER_ITS_END = 6


@dataclass(slots=True)
class HotTicket:
    """A ticket and what its crowd knows of it: the last price seen, and how many operations it has left."""

    id: str
    seller: str
    price: float
    left: int = MOST_OPERATIONS

    def ends(self) -> None:
        """Take note that it is sold or withdrawn."""
        self.left = min(self.left, AFTER_ITS_END)


@dataclass(slots=True)
class TicketPool:
    """A place for each ticket that is wanted at a time; a seller fills those of their own that are empty."""

    of_sellers: dict[str, list[HotTicket | None]] = field(default_factory=dict)

    def any_ticket(self, chance: random.Random) -> HotTicket | None:
        """Return a ticket that has operations left, None while there is none."""
        hot = [ticket for ticket in self._all() if ticket.left > 0]
        return chance.choice(hot) if hot else None

    def own_ticket(self, seller: str, chance: random.Random) -> HotTicket | None:
        """Return one of the seller's tickets that has operations left."""
        hot = [ticket for ticket in self.of_sellers[seller] if ticket is not None and ticket.left > 0]
        return chance.choice(hot) if hot else None

    def take_finished(self, seller: str) -> HotTicket | None:
        """Return a ticket of the seller that is to be replaced, and empty its place."""
        slots = self.of_sellers[seller]
        for number, ticket in enumerate(slots):
            if ticket is not None and ticket.left <= 0:
                slots[number] = None
                return ticket
        return None

    def is_missing_one(self, seller: str, being_listed: int) -> bool:
        """Whether the seller has an empty place for which no ticket is on its way."""
        return self.of_sellers[seller].count(None) > being_listed

    def put(self, ticket: HotTicket) -> None:
        """Put a new ticket into an empty place of its seller."""
        slots = self.of_sellers[ticket.seller]
        slots[slots.index(None)] = ticket

    def _all(self) -> Iterator[HotTicket]:
        for slots in self.of_sellers.values():
            yield from (ticket for ticket in slots if ticket is not None)
