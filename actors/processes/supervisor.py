"""Supervisor: keeps the promises when something died or hangs. One, detached, watched by the API replicas."""

import asyncio
import contextlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import structlog

from actors.cluster import names
from actors.cluster.heartbeat import ActorDirectory
from actors.cluster.members import Members
from actors.cluster.membership import of_settings
from actors.domain.refusals import Unavailable
from actors.metrics.emitter import EVERY_SECONDS as EMIT_SECONDS
from actors.metrics.emitter import Emitter
from actors.metrics.servers import EVERY_SECONDS as WATCH_SECONDS
from actors.metrics.supervisor import SupervisorMetrics
from actors.payments.charge_entity import ChargeEntity
from actors.payments.webhook_events import WebhookEventHandler
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.ports import HostUnreachableError, Instant, Reply, StoreUnavailableError
from actors.supervision.autoscaler import Autoscaler
from actors.supervision.delisting import EVERY_SECONDS as DELISTING_SECONDS
from actors.supervision.delisting import Delisting
from actors.supervision.duty import Duties, Duty
from actors.supervision.liveness import EVERY_SECONDS, LivenessMonitor
from actors.supervision.recovery import Recovery
from actors.supervision.scaling import Leavers, Scaling
from actors.supervision.scaling_policy import Bounds
from actors.supervision.spreading import EVERY_SECONDS as PLACING_SECONDS
from actors.supervision.spreading import SPREAD_SECONDS, leave, spread
from actors.supervision.stalled_purchases import StalledPurchases
from actors.supervision.ticket_scaling import TicketScaling
from actors.supervision.user_events import UserEventRelay
from actors.tickets.entity import TicketEntity

logger = structlog.get_logger(__name__)


class Supervisor(HostActor):
    """Every second: replaces silent actors, and recovers what dead ones left."""

    _directory: ActorDirectory
    _monitor: LivenessMonitor
    _recovery: Recovery
    _own_members: Members
    _leavers: Leavers
    _duties: Duties | None = None
    _existing: AbstractSet[str] = frozenset()
    _spread_at = 0.0

    async def start(self, connections: Resources) -> None:
        self._own_members = connections.members
        scaling = Scaling(
            connections.members, connections.journal, connections.clock, self.system.new_id, by=names.SUPERVISOR
        )
        await scaling.establish(of_settings(self.settings))
        await connections.members.refresh()
        self._directory = self.system.directory(self.settings)
        self._monitor = LivenessMonitor(self._directory)
        self._leavers = Leavers(self._directory, connections.members.monotonic)
        actors = self.system.actors(self.settings, connections)
        self._recovery = Recovery(
            {
                names.TICKETS: TicketEntity(connections.queries),
                names.PAYMENTS: ChargeEntity(connections.queries),
            },
            connections.journal,
            connections.documents,
            connections.stream,
            connections.checkpoints,
            connections.queries,
            actors,
            connections.clock,
        )
        own = connections
        webhook_events = WebhookEventHandler(own.inbox, own.queries, actors)
        stalled_purchases = StalledPurchases(own.queries, own.inbox, webhook_events, actors, own.clock)
        user_events = UserEventRelay(own.pending_user_events, own.journal, own.stream, writer=self.writer)
        delisting = Delisting(own.delisting, actors, own.clock.now)
        self._duties = Duties(
            [
                Duty("monitor_actors", EVERY_SECONDS, self._monitor_actors),
                Duty("recover_writers", EVERY_SECONDS, self._recover_writers),
                Duty("settle_membership", EVERY_SECONDS, scaling.settle),
                Duty("relay_user_events", EVERY_SECONDS, user_events.relay),
                # Apart from the rest: a slow answer of Stripe must not hold up a hold that is due.
                Duty("resume_purchases", EVERY_SECONDS, stalled_purchases.round),
                Duty("delist_sellers", DELISTING_SECONDS, delisting.sweep),
                Duty("place_actors", PLACING_SECONDS, self._place_actors),
                *self._scaling_duties(scaling),
                *own.mail_duties(self.settings),
                *own.event_duties(self.settings),
                *self._metric_duties(own),
            ],
            own.clock.now,
        )
        own.supervise(self._duties.run(), *own.background_jobs(self.settings))

    def _metric_duties(self, own: Resources) -> list[Duty]:
        sink, servers = self.system.metrics(self.settings), own.watched_servers()
        if sink is None or servers is None:
            return []
        metrics = SupervisorMetrics(Emitter(sink), servers, self._monitor, self._recovery)
        return [
            Duty("emit_metrics", EMIT_SECONDS, metrics.emit),
            Duty("watch_servers", WATCH_SECONDS, metrics.watch_servers),
        ]

    def _scaling_duties(self, scaling: Scaling) -> list[Duty]:
        """None unless it is asked for; where every ticket that is held has an actor, there is nothing to scale."""
        most = self.settings.max_ticket_actors
        if most is None or self.settings.ticket_placement == "dedicated":
            return []
        changes = TicketScaling(self._own_members, scaling, self._directory.start)
        autoscaler = Autoscaler(lambda: self._monitor.heartbeats, changes, Bounds(1, most))
        return [Duty("scale_tickets", EVERY_SECONDS, autoscaler.round)]

    def duty_status(self) -> dict[str, dict[str, Any]]:
        return self._duties.status() if self._duties is not None else {}

    async def handle(self, messages: Sequence[Any], _deadline: Instant, *, redelivered: bool) -> list[Reply]:  # noqa: ARG002
        """Nobody asks the Supervisor for anything."""
        return [Unavailable()] * len(messages)

    def _wanted(self) -> set[str]:
        known = self._own_members.known
        return set(known.membership.names) if known is not None else set()

    async def _monitor_actors(self) -> None:
        wanted = self._wanted()
        # While Ray does not say who is there those are watched that were.
        with contextlib.suppress(HostUnreachableError):
            self._existing = await self._directory.existing() - {names.SUPERVISOR}
        await self._monitor.check(wanted | self._existing, wanted)
        with contextlib.suppress(StoreUnavailableError):
            await self._end_who_is_not_needed()

    async def _end_who_is_not_needed(self) -> None:
        """By fresh knowledge alone: one that was just made a member must not end. Raises StoreUnavailableError."""
        members = (await self._own_members.fresh()).membership
        wanted = set(members.names)
        idle = [name for name, heartbeat in self._monitor.heartbeats.items() if heartbeat.idle and name not in wanted]
        await asyncio.gather(*(self._directory.passivate(name) for name in idle))
        others = {name for name in self._existing - wanted if not self._is_own(name)}
        await self._leavers.end({name for name in others if members.has_left(name)}, others)

    def _is_own(self, name: str) -> bool:
        """Whether the actor is a ticket's that has one while it is in use."""
        return names.is_dedicated(name) and self.settings.ticket_placement == "dedicated"

    async def _place_actors(self) -> None:
        """Off the nodes that are being drained, itself last; and evenly, once a minute."""
        _, own_node, _ = self.system.place()
        draining = await self._directory.draining()
        await leave(self._directory, draining, self._monitor.heartbeats)
        if own_node in draining and await self._directory.nodes():
            await self._directory.end(names.SUPERVISOR)  # a replica creates it elsewhere
            return
        now = asyncio.get_running_loop().time()
        if now - self._spread_at >= SPREAD_SECONDS:
            self._spread_at = now
            await spread(self._directory, self._wanted(), self._monitor.heartbeats)

    async def _recover_writers(self) -> None:
        live = {name: heartbeat.writer for name, heartbeat in self._monitor.heartbeats.items()}
        awaited = self._wanted() - live.keys()
        # An actor that has not answered yet will have nothing to wake; the next round finds it.
        if not awaited:
            await self._recovery.round(live, awaited, self._own_members.generation)
