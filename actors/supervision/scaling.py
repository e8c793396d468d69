"""Changing the membership of a running market: who commits a change, when one may follow another, and when it is over.

A change is one commit. Everything else each process does by itself, see cluster/members.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

import structlog

from actors.cluster import membership
from actors.cluster.heartbeat import ActorDirectory
from actors.cluster.members import LEAVES_SECONDS, Knowledge, Members
from actors.cluster.membership import MOST_PREVIOUS, Membership
from actors.domain.membership import Hosts, MembershipChanged
from actors.runtime.ports import Clock, FencedError, Journal, StoreUnavailableError
from actors.runtime.retry import backoff, retry

# A version is known to everybody, and acted on, before the next one comes.
APART_SECONDS = LEAVES_SECONDS + 1.0
# A process may hang for a minute and then commit what it decided before. Whoever hangs longer is not waited for.
SETTLED_SECONDS = 90.0
APPEND_TRIES = 10

logger = structlog.get_logger(__name__)


class OutdatedError(Exception):
    """Somebody else changed the membership first; says which version is in force."""


class Scaling:
    """Commits changes of the membership, for an operator or for the Supervisor."""

    def __init__(self, members: Members, journal: Journal, clock: Clock, new_id: Callable[[], str], by: str) -> None:
        """`by` is who the journal says it was."""
        self._members = members
        self._journal = journal
        self._clock = clock
        self._new_id = new_id
        self._by = by

    async def establish(self, hosts: Hosts) -> None:
        """Begin with these hosts if nobody has begun yet. Raises StoreUnavailableError."""
        if await membership.newest(self._journal, 0):
            return
        first = MembershipChanged(hosts, (), self._by, "the settings of a new market")
        try:
            await self._append(0, first)
        except OutdatedError:
            return  # of several who begin at the same time one does

    async def change(
        self, known: Knowledge, hosts: Hosts, reason: str, start: Callable[[str], Awaitable[None]]
    ) -> Membership:
        """Change to other hosts what is known to be in force, when `start` has started those that are new.

        Waits until everybody acts on the version before. Raises OutdatedError, what `start` raises, and
        StoreUnavailableError when it is not known whether the change was made.
        """
        before = known.membership
        if len(before.previous) >= MOST_PREVIOUS:
            raise OutdatedError(f"version {before.version} followed too many others: wait for two minutes")
        if before.previous:
            await asyncio.sleep(max(0.0, known.seen_at + APART_SECONDS - self._members.monotonic()))
        new = [name for name in membership.all_names(hosts) if name not in before.names]
        for name in (*new, *filter(before.has_left, new)):  # who comes back may have ended, as it had left
            await start(name)
        return await self._append(before.version, membership.changed(before, hosts, by=self._by, reason=reason))

    async def settle(self) -> None:
        """Say that a change is over, when nobody can have anything under way by what was before.

        Raises StoreUnavailableError.
        """
        known = await self._members.fresh()
        if not known.membership.previous or self._members.monotonic() - known.seen_at < SETTLED_SECONDS:
            return
        try:
            await self._append(known.membership.version, membership.settled(known.membership, by=self._by))
        except OutdatedError:
            return  # a newer change is settled in its own time

    async def _append(self, version: int, change: MembershipChanged) -> Membership:
        commit = membership.commit_of(change, version + 1, f"membership-{self._new_id()}", self._clock.now())
        try:
            # Its outcome is to be known: the same commit, again and again, is one commit.
            pauses = islice(backoff(0.05, 1.0), APPEND_TRIES)
            await retry(lambda: self._journal.append(commit), StoreUnavailableError, pauses)
        except FencedError:
            known = await self._members.refresh()
            in_force = known.membership.version
            raise OutdatedError(f"version {in_force} of the membership is in force, by somebody else") from None
        logger.info("membership_changed", version=version + 1, by=change.by, reason=change.reason)
        return Membership(version + 1, change.hosts, change.previous)


class Leavers:
    """Ends the actors that are no members any more, and did not come to an end by themselves within a minute.

    What one did not relay, the Supervisor recovers as after a death. Others that are no members have ten minutes: an
    operator may have started them for a change that is not made yet.
    """

    PATIENCE_SECONDS = 60.0
    STRAYS_PATIENCE_SECONDS = 600.0

    def __init__(self, directory: ActorDirectory, monotonic: Callable[[], float]) -> None:
        self._directory = directory
        self._monotonic = monotonic
        self._since: dict[str, float] = {}

    async def end(self, leaving: set[str], strays: set[str]) -> None:
        """End those that have been leaving, or strays, for too long. Raises HostUnreachableError."""
        now = self._monotonic()
        self._since = {name: self._since.get(name, now) for name in leaving | strays}
        for name, since in self._since.items():
            patience_seconds = self.PATIENCE_SECONDS if name in leaving else self.STRAYS_PATIENCE_SECONDS
            if now - since >= patience_seconds:
                logger.warning("actor_ended", actor=name, seconds=patience_seconds)
                await self._directory.end(name)
