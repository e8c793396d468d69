"""Automatic scaling as a duty: what the hosts told in their last heartbeats, two policies, and one change at most."""

import asyncio
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import structlog

from actors.cluster import names
from actors.cluster.heartbeat import Heartbeat
from actors.runtime.signals import Signals
from actors.supervision import hot_tickets_policy, scaling_policy
from actors.supervision.hot_tickets_policy import HotSeen, Pin, Unpin
from actors.supervision.load import HostLoad, load_between
from actors.supervision.scaling_policy import Bounds, Seen

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resize:
    """There are to be so many shared ticket hosts."""

    hosts: int


@dataclass(frozen=True, slots=True)
class TicketHosts:
    """The shared hosts by name, the tickets with actors of their own, and those of them that this scaling pinned."""

    shared: tuple[str, ...]
    pinned: AbstractSet[str] = frozenset()
    automatic: AbstractSet[str] = frozenset()


class TicketHostChanges(Protocol):
    """The way to the membership of the market."""

    def current(self) -> TicketHosts:
        """Return what is in force."""

    async def apply(self, change: Resize | Pin | Unpin, reason: str) -> None:
        """Make the change, for this reason. Raises StoreUnavailableError and HostUnreachableError."""


class Autoscaler:
    """Looks once a second at the heartbeats that the Supervisor heard last."""

    def __init__(
        self, heartbeats: Callable[[], Mapping[str, Heartbeat]], changes: TicketHostChanges, bounds: Bounds
    ) -> None:
        self._heartbeats = heartbeats
        self._changes = changes
        self._bounds = bounds
        self._before: Mapping[str, Heartbeat] = {}
        self._seen, self._hot_seen = Seen(), HotSeen()
        self._reason = ""

    async def round(self) -> None:
        """Look, and make the one change that is due. Raises what `apply` raises; it is then decided again."""
        now, hosts, loads = asyncio.get_running_loop().time(), self._changes.current(), self._loads()
        shared = {name: loads[name] for name in hosts.shared if name in loads}
        own = {ticket: loads.get(names.dedicated(ticket)) for ticket in hosts.automatic}
        hot_seen, pin = hot_tickets_policy.decide(self._hot_seen, now, shared, own, hosts.pinned)
        if pin is not None:
            await self._changes.apply(pin, "hot" if isinstance(pin, Pin) else "no longer hot")
            self._hot_seen = hot_seen
            return
        self._hot_seen = hot_seen
        seen, sizing = scaling_policy.decide(self._seen, now, shared.values(), len(hosts.shared), self._bounds)
        if sizing.reason != self._reason:
            logger.info("scaling_decided", hosts=sizing.hosts, reason=sizing.reason)
            self._reason = sizing.reason
        if sizing.hosts != len(hosts.shared):
            await self._changes.apply(Resize(sizing.hosts), sizing.reason)
        self._seen = seen

    def _loads(self) -> Mapping[str, HostLoad]:
        before, self._before = self._before, dict(self._heartbeats())
        return {
            name: load_between(_signals_of(before.get(name), heartbeat.writer), heartbeat.signals)
            for name, heartbeat in self._before.items()
            if heartbeat.signals is not None
        }


def _signals_of(heartbeat: Heartbeat | None, writer: str) -> Signals | None:
    """Of an earlier incarnation nothing can be subtracted."""
    return heartbeat.signals if heartbeat is not None and heartbeat.writer == writer else None
