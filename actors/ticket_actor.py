"""TicketActor: the single place where anything happens to a ticket."""

import asyncio
from collections.abc import Sequence

from actors.connections import Connections
from actors.domain.messages import Refusal, TicketCommand
from actors.domain.ticket import Ticket, TicketAnswer
from actors.host_actor import HostActor
from actors.names import is_dedicated
from actors.runtime.host import Host
from actors.runtime.ports import Instant
from actors.tickets import TicketBehaviour

# A ticket's own process ends when nobody spoke to it for this long and its timer has nothing to do for as long.
IDLE_SECONDS = 60.0


class TicketActor(HostActor):
    """Hosts tickets: all of those that are routed to it, or just one when it is named after it."""

    _host: Host[Ticket, TicketCommand]
    _spoken_to: float = 0.0

    async def start(self, connections: Connections) -> None:
        carry_on = connections.carry_on(writer=self.writer, host=self.name)
        # With tickets in processes of their own, a shared host may remember one that moved: it checks reads as well.
        fence_reads = self.settings.ticket_placement == "dedicated"
        behaviour = TicketBehaviour(connections.queries)
        self._host = connections.host(behaviour, carry_on, writer=self.writer, fence_reads=fence_reads)
        self.counters = self._host.counters
        self._spoken_to = asyncio.get_running_loop().time()
        connections.keep_running(carry_on.run(), self._host.run())

    async def handle(
        self, messages: Sequence[TicketCommand], deadline: Instant, *, again: bool
    ) -> list[TicketAnswer | Refusal]:
        self._spoken_to = asyncio.get_running_loop().time()
        return await self._host.deliver(messages, deadline, again=again)

    def is_idle(self) -> bool:
        if not is_dedicated(self.name) or not self._spoken_to:
            return False
        quiet_for = asyncio.get_running_loop().time() - self._spoken_to
        return quiet_for >= IDLE_SECONDS and not self._host.has_timer_within(int(IDLE_SECONDS * 1000))

    async def retire(self) -> None:
        """Ends this process if it is idle; the next message to its ticket starts another."""
        if self.is_idle():
            self.system.end_actor()
