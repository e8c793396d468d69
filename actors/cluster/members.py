"""What one process knows of the membership, and what it may conclude from how old that knowledge is.

Each process reads the newest version every second. A read that began less than two seconds ago is *fresh*: what it did
not find was not committed then. From that alone, and from no clock but the process's own, follows who does what:

    seconds since the process first saw a version
    0      reads of ids that move are answered after a look at the journal, until the version is settled
    2.5    the new owner takes messages: no earlier one answers from memory any more, as nobody's knowledge is fresh
           who has not seen this version
    3.5    callers ask the new owner
    6      the earlier owner says `Moved`; its timers run on until then, and the Supervisor wakes the new owner's before

Versions follow each other by seven seconds at least (see supervision/scaling.py). When they are settled, a minute and a
half later, no earlier owner can have a commit under way that it decided on what it knew before.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.cluster import membership, names
from actors.cluster.membership import Membership, owner
from actors.runtime.ports import Journal, StoreUnavailableError
from actors.runtime.single_flight import SingleFlight

EVERY_SECONDS = 1.0
FRESH_SECONDS = 2.0
TAKES_SECONDS = 2.5
ASKED_SECONDS = 3.5
LEAVES_SECONDS = 6.0
# Who did not look for so long does not know whether a version is new, and claims nothing by the one before.
LAPSE_SECONDS = 10.0


def awake_or_not() -> float:
    """Return seconds on a clock that also runs while the machine sleeps, where there is one."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A version, when the read that found nothing newer began, and when this process saw the version first.

    `follows` says that it knew the version before until just then.
    """

    membership: Membership
    read_at: float
    seen_at: float
    follows: bool


class Members:
    """The reader of one process. Start with `run`; before the first version there is nothing to know."""

    def __init__(self, journal: Journal, monotonic: Callable[[], float] = awake_or_not) -> None:
        self.monotonic = monotonic
        self._journal = journal
        self._known: Knowledge | None = None
        self._reading: SingleFlight[Knowledge] = SingleFlight(lambda _key, _error: None)

    async def run(self) -> None:
        """Reads until cancelled. While the database is away, what is known grows old."""
        while True:
            with contextlib.suppress(StoreUnavailableError):
                await self.refresh()
            await asyncio.sleep(EVERY_SECONDS)

    async def refresh(self) -> Knowledge:
        """Look for a newer version. Raises StoreUnavailableError, also when there is none at all yet.

        Who asks while a read is under way gets the outcome of that.
        """
        known, _ = await self._reading.do("", "", self._read)
        return known

    async def fresh(self) -> Knowledge:
        """Return what is known, from a read that began less than two seconds ago. Raises StoreUnavailableError."""
        known = self._known
        if known is None or not self.is_fresh(known):
            known = await self.refresh()
            if not self.is_fresh(known):
                raise StoreUnavailableError("the membership was read too slowly")
        return known

    def is_fresh(self, known: Knowledge) -> bool:
        """Whether a version that is two seconds old would be known."""
        return self.monotonic() - known.read_at < FRESH_SECONDS

    async def _read(self) -> Knowledge:
        before, read_at = self._known, self.monotonic()
        version = await membership.newest(self._journal, before.membership.version if before else 0)
        if version == 0:
            raise StoreUnavailableError("there is no membership yet")
        if before is not None and version == before.membership.version:
            self._known = Knowledge(before.membership, read_at, before.seen_at, before.follows)
        else:
            found = await membership.read(self._journal, version)
            seen_at = self.monotonic()
            follows = before is not None and seen_at - before.read_at < LAPSE_SECONDS
            self._known = Knowledge(found, read_at, seen_at, follows)
        return self._known

    def hosts_to_ask(self, kind: str, entity_id: str) -> Sequence[str]:
        """Return the owner of the id, and after it who else may be; nobody before the first version."""
        known = self._known
        if known is None:
            return ()
        own = owner(known.membership.hosts, kind, entity_id)
        if not known.membership.previous:
            return (own,)
        before = owner(known.membership.previous[-1], kind, entity_id)
        if before == own:
            return (own,)
        return (own, before) if self._new_owners_are_asked(known) else (before, own)

    def _new_owners_are_asked(self, known: Knowledge) -> bool:
        return not known.follows or self.monotonic() - known.seen_at >= ASKED_SECONDS

    def is_member(self, host: str) -> bool:
        """Whether an actor of this name is to be there, as far as is known."""
        return self._known is None or host in self._known.membership.names

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the shared actors of this kind, none before the first version."""
        found: tuple[str, ...] = getattr(self._known.membership.hosts, kind) if self._known else ()
        return found

    @property
    def known(self) -> Knowledge | None:
        """What is known, however old it is."""
        return self._known

    @property
    def version(self) -> int:
        """The newest version that is known, 0 for none."""
        return self._known.membership.version if self._known else 0

    @property
    def generation(self) -> int:
        """Another number says that callers ask other owners than before, or that earlier owners wake nothing more."""
        known = self._known
        if known is None:
            return 0
        has_left = self.monotonic() - known.seen_at >= LEAVES_SECONDS
        return 3 * known.membership.version + self._new_owners_are_asked(known) + has_left

    def has_left(self, name: str) -> bool:
        """Whether the actor belongs to an earlier membership only, and takes no messages any more."""
        known = self._known
        if known is None or not known.membership.has_left(name):
            return False
        return self.monotonic() - known.seen_at >= LEAVES_SECONDS

    def is_pinned(self, name: str) -> bool:
        """Whether this is a ticket's own actor that is to be there."""
        return self._known is not None and names.ticket_of(name) in self._known.membership.hosts.pinned

    def ownership(self, name: str, *, takes_all: bool = False) -> "MemberOwnership":
        """Return what the actor of this name owns; with `takes_all` it decides what it is given, whoever owns it."""
        return MemberOwnership(self, name, takes_all=takes_all)


class MemberOwnership:
    """See runtime.ownership.Ownership. One for each host: it remembers what it said last."""

    def __init__(self, members: Members, name: str, *, takes_all: bool) -> None:
        self._members = members
        self._name = name
        self._takes_all = takes_all
        self._said: Membership | None = None

    async def confirm(self) -> "MemberShare":
        """Return what the actor owns by fresh knowledge. Raises StoreUnavailableError."""
        known = await self._members.fresh()
        before, self._said = self._said, known.membership
        moved = _moved_unnoticed(before, known.membership, names.kind_of(self._name))
        return MemberShare(self._members, known, self._name, moved, takes_all=self._takes_all)


def _moved_unnoticed(before: Membership | None, now: Membership, kind: str) -> Callable[[str], bool] | None:
    """Return what tells of an entity whether its earlier owner may have changed it, None where that would be noticed.

    While an entity moves, an answer from memory is compared with the journal first, and when that is over no more.
    """
    if before is None or before.version == now.version:
        return None
    if now.version > before.version + 1:
        return lambda _: True
    return None if now.previous else lambda entity_id: before.moves(kind, entity_id)


class MemberShare:
    """See runtime.ownership.Share: what the actor owns by one piece of knowledge."""

    def __init__(
        self,
        members: Members,
        known: Knowledge,
        name: str,
        has_moved: Callable[[str], bool] | None,
        *,
        takes_all: bool,
    ) -> None:
        self.has_moved = has_moved
        self._members = members
        self._known = known
        self._kind = names.kind_of(name)
        self._name = name
        self._takes_all = takes_all
        self._age = members.monotonic() - known.seen_at

    @property
    def generation(self) -> int:
        """Each version is two: before its new owners take messages, and after."""
        return 2 * self._known.membership.version + (self._age >= TAKES_SECONDS)

    def accepts(self, entity_id: str) -> bool:
        """Whether the actor owns the entity, or has just given it up, which callers need not know yet."""
        if self._takes_all:
            return True
        known = self._known.membership
        is_own = owner(known.hosts, self._kind, entity_id) == self._name
        if not known.previous:
            return is_own
        was_own = owner(known.previous[-1], self._kind, entity_id) == self._name
        if is_own:
            return was_own or self._age >= TAKES_SECONDS
        return was_own and self._known.follows and self._age < LEAVES_SECONDS

    def is_exclusive(self, entity_id: str) -> bool:
        """Whether the knowledge is fresh still, and the entity has not moved in the last minute and a half."""
        return self._members.is_fresh(self._known) and not self._known.membership.moves(self._kind, entity_id)
