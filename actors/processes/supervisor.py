"""Supervisor: keeps the promises when something died or hangs. One, detached, watched by the API replicas."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog

from actors.cluster import names
from actors.cluster.client import shared_names
from actors.cluster.heartbeat import ActorDirectory
from actors.domain.refusals import Unavailable
from actors.payments.charge_entity import ChargeEntity
from actors.payments.webhook_events import WebhookEventHandler
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.ports import HostUnreachableError, Instant, Reply, StoreUnavailableError
from actors.supervision.liveness import EVERY_SECONDS, LivenessMonitor
from actors.supervision.recovery import Recovery
from actors.supervision.stalled_purchases import StalledPurchases
from actors.supervision.user_events import UserEventRelay
from actors.tickets.entity import TicketEntity

logger = structlog.get_logger(__name__)


class Supervisor(HostActor):
    """Every second: replaces silent actors, and recovers what dead ones left."""

    _fleet: ActorDirectory
    _watch: LivenessMonitor
    _recovery: Recovery
    _stalled_purchases: StalledPurchases
    _announcements: UserEventRelay

    async def start(self, connections: Resources) -> None:
        self._fleet = self.system.fleet(self.settings)
        self._watch = LivenessMonitor(self._fleet)
        actors = self.system.actors(self.settings, connections.clock)
        self._recovery = Recovery(
            {
                names.TICKETS: TicketEntity(connections.queries),
                names.PAYMENTS: ChargeEntity(connections.queries),
            },
            connections.journal,
            connections.documents,
            connections.stream,
            connections.marks,
            connections.queries,
            actors,
            connections.clock,
            asyncio.gather,
        )
        own = connections
        webhook_events = WebhookEventHandler(own.inbox, own.queries, actors)
        self._stalled_purchases = StalledPurchases(
            own.queries, own.inbox, webhook_events, actors, own.clock, asyncio.gather
        )
        self._announcements = UserEventRelay(own.user_marks, own.journal, own.stream, writer=self.writer)
        connections.supervise(
            self._monitor_actors(),
            self._recover_dead_writers(),
            self._resume_purchases(),
            *connections.background_jobs(self.settings, actors),
        )

    async def handle(self, messages: Sequence[Any], _deadline: Instant, *, again: bool) -> list[Reply]:  # noqa: ARG002
        """Nobody asks the Supervisor for anything."""
        return [Unavailable()] * len(messages)

    def _shared(self) -> set[str]:
        return set(shared_names(self.settings))

    async def _monitor_actors(self) -> None:
        dedicated: set[str] = set()
        while True:
            # While Ray does not say who is there those are watched that were.
            with contextlib.suppress(HostUnreachableError):
                dedicated = await self._fleet.dedicated()
            await self._watch.check(self._shared() | dedicated)
            idle = [name for name, heartbeat in self._watch.heartbeats.items() if heartbeat.idle]
            await asyncio.gather(*(self._fleet.passivate(name) for name in idle))
            await asyncio.sleep(EVERY_SECONDS)

    async def _recover_dead_writers(self) -> None:
        while True:
            live = {name: heartbeat.writer for name, heartbeat in self._watch.heartbeats.items()}
            awaited = self._shared() - live.keys()
            try:
                # An actor that has not answered yet will have nothing to wake; the next round finds it.
                if not awaited:
                    await self._recovery.round(live, awaited)
                    await self._announcements.sweep()
            except StoreUnavailableError as error:
                logger.warning("rescue_postponed", error=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def _resume_purchases(self) -> None:
        # Apart from the rest: a slow answer of Stripe must not hold up a hold that is due.
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self._stalled_purchases.round()
            except StoreUnavailableError as error:
                logger.warning("resumption_postponed", error=str(error))
