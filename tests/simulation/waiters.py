"""Those buyers of a simulation who stand in line for what others hold, and sellers who close the line."""

import asyncio
from dataclasses import dataclass, replace

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CloseWaitingList, JoinWaitingList, LeaveWaitingList, ReadTicket
from tests.simulation.people import People

EVERY_SECONDS = 0.5
LIMITS = (None, None, 1_000, 2_000, 3_000)


@dataclass
class Waiters:
    """Looks at one of the newest tickets again and again, and does what somebody would who wants it."""

    people: People

    def __post_init__(self) -> None:
        # With a count of its own: a simulation ends after so many commands of those who trade.
        self._asking = replace(self.people)

    async def wait(self) -> None:
        """Go on for as long as people trade."""
        people, world = self.people, self.people.market.world
        while people.asked < people.most:
            await asyncio.sleep(world.random.expovariate(1 / EVERY_SECONDS))
            if people.tickets:
                ticket_id, seller = world.random.choice(people.tickets[-4:])
                await self._want(ticket_id, seller)

    async def _want(self, ticket_id: str, seller: str) -> None:
        people, random = self._asking, self.people.market.world.random
        buyer, wish = random.choice(people.buyers), random.random()
        if wish < 0.6:
            await people.ask_ticket(JoinWaitingList(ticket_id, buyer, random.choice(LIMITS)))
        elif wish < 0.65:
            await people.ask_ticket(LeaveWaitingList(ticket_id, buyer))
        elif wish < 0.7:
            await people.ask_ticket(CloseWaitingList(ticket_id, seller))
        else:
            await self._accept(ticket_id)

    async def _accept(self, ticket_id: str) -> None:
        """Take what is offered, or give it back."""
        people, world = self._asking, self.people.market.world
        seen = await people.ask_ticket(ReadTicket(ticket_id))
        order = seen.ticket.order if isinstance(seen, TicketAnswer) else None
        if order is None or not order.offer:
            return
        await people.reserve_as(order.buyer_id, ticket_id, world.new_id())
        if world.random.random() < 0.3:
            await people.cancel(order.id)
