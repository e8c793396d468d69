"""Renewing the actors of a running market one by one, with new code and new settings, without a failed request.

An actor that drains takes no more messages and answers those that it has. Then it is ended, and one of the same name
created. Callers ask again meanwhile, as they do when an actor died.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from actors.cluster import names

# Who understands a message comes before who sends it. The Supervisor brings stored data over, so all that write
# documents are renewed before it.
KINDS = (names.TICKETS, names.PAYMENTS, names.ORDERS, names.SUPERVISOR)


class Renewable(Protocol):
    """The actors of a market, as whoever renews them sees them."""

    async def existing(self) -> Collection[str]:
        """Return the names of all actors."""

    async def drain(self, name: str) -> bool:
        """Have the actor answer what it has and take nothing more, and return whether there is one.

        One that hangs counts as drained. Raises HostUnreachableError when none could take its place.
        """

    async def end(self, name: str) -> None:
        """End what was drained for good, and return when it has gone. Raises HostUnreachableError if it does not go."""

    async def begin(self, name: str) -> None:
        """Create the actor, and return when it has started."""


async def renew(actors: Renewable, wanted: Sequence[str], tell: Callable[[str], None]) -> None:
    """Renew the wanted actors, and end those that are not wanted any more. `tell` is given a line about each.

    A ticket with an actor of its own goes back to its shared host, and gets another actor when it is held again.
    """
    existing = set(await actors.existing())
    for name in _in_order(existing | set(wanted), wanted):
        await actors.drain(name)
        await actors.end(name)
        if name in wanted:
            await actors.begin(name)
        tell(f"{name} {'renewed' if name in wanted else 'ended'}")


async def end_all(actors: Renewable, tell: Callable[[str], None]) -> None:
    """End all actors, once each has answered what it has. `tell` is given a line about each.

    The Supervisor, which would create the others again, is the first. Whoever creates that has to be away by then.
    """
    await _end_one(actors, names.SUPERVISOR, tell)
    for name in _in_order(await actors.existing(), ()):
        await _end_one(actors, name, tell)


async def _end_one(actors: Renewable, name: str, tell: Callable[[str], None]) -> None:
    if await actors.drain(name):
        await actors.end(name)
        tell(f"{name} ended")


def _in_order(every: Iterable[str], wanted: Collection[str]) -> list[str]:
    """Shared hosts before the tickets with actors of their own, which they create.

    Those that are not wanted any more come last: the Supervisor before would create them again.
    """

    def place(name: str) -> tuple[bool, int, bool, str]:
        is_own = names.is_dedicated(name)
        return name not in wanted and not is_own, KINDS.index(names.kind_of(name)), is_own, name

    return sorted(every, key=place)
