"""TicketActor: the single place where anything happens to a ticket."""

import asyncio
from collections.abc import Sequence

from actors.cluster import names
from actors.domain.answers import Moved
from actors.domain.refusals import Refusal
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import TicketCommand
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.host import Host
from actors.runtime.ownership import Everything
from actors.runtime.ports import Instant
from actors.runtime.trace import Traced
from actors.tickets.dedicated import DedicatedTickets
from actors.tickets.entity import TicketEntity

# A ticket's own process ends when nobody spoke to it for this long and its timer has nothing to do for as long.
IDLE_SECONDS = 60.0


class TicketActor(HostActor):
    """Hosts tickets: all of those that are routed to it, or just one when it is named after it."""

    _host: Host[Ticket, TicketCommand, TicketAnswer]
    _commit_relay: CommitRelay
    _dedicated: DedicatedTickets | None = None
    _spoken_to: float = 0.0

    async def start(self, connections: Resources) -> None:
        self._commit_relay = connections.commit_relay(writer=self.writer, host=self.name)
        # With tickets in processes of their own another host may have the same one in memory: reads are checked too.
        is_dedicated = self.settings.ticket_placement == "dedicated"
        ownership = Everything(exclusive=False) if is_dedicated else connections.members.ownership(self.name)
        entity = TicketEntity(
            connections.queries,
            offer_window_ms=self.settings.offer_window_ms,
            verified_only=self.settings.require_verified_email,
            fee=self.settings.fee_hundredths,
        )
        self._host = connections.host(entity, self._commit_relay, writer=self.writer, ownership=ownership)
        self.counters, self.signals = self._host.counters, self._host.signals
        self._spoken_to = asyncio.get_running_loop().time()
        connections.supervise(self._commit_relay.run(), self._host.run())
        if is_dedicated and not names.is_dedicated(self.name):
            directory = self.system.directory(self.settings)
            actors = self.system.actors(self.settings, connections)
            most = self.settings.dedicated_actors
            self._dedicated = DedicatedTickets(self.name, most, self._host, directory, actors, connections.clock)
            connections.supervise(self._dedicated.run())

    async def handle(
        self, messages: Sequence[TicketCommand | Traced], deadline: Instant, *, redelivered: bool
    ) -> list[TicketAnswer | Refusal | Moved]:
        self._spoken_to = asyncio.get_running_loop().time()
        return list(await (self._dedicated or self._host).deliver(messages, deadline, redelivered=redelivered))

    def is_idle(self) -> bool:
        if not names.is_dedicated(self.name):
            return super().is_idle()
        if not self._spoken_to or self._members is None or self._members.is_pinned(self.name):
            return False
        quiet_for = asyncio.get_running_loop().time() - self._spoken_to
        has_timer = self._host.has_timer_within(int(IDLE_SECONDS * 1000))
        is_quiet = quiet_for >= IDLE_SECONDS and not has_timer and not self._delivering
        return super().is_idle() or (is_quiet and self.is_finished())

    def is_finished(self) -> bool:
        return not self._host.is_busy and self._commit_relay.is_finished

    async def leave(self) -> None:
        await self._commit_relay.leave()
