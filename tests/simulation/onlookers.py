"""People of a simulation who look at the newest tickets all the time: whoever answers from memory meets them."""

import asyncio
from dataclasses import dataclass, replace

from actors.domain.ticket_commands import ReadTicket
from tests.simulation.people import People

EVERY_SECONDS = 0.2
HOW_MANY = 3


@dataclass
class Onlookers:
    """Read, each on their own."""

    people: People

    def __post_init__(self) -> None:
        # With a count of its own, as Waiters.
        self._asking = replace(self.people)

    async def look(self) -> None:
        """Go on for as long as people trade."""
        await asyncio.gather(*(self._look() for _ in range(HOW_MANY)))

    async def _look(self) -> None:
        people, world = self.people, self.people.market.world
        while people.asked < people.most:
            await asyncio.sleep(world.random.expovariate(1 / EVERY_SECONDS))
            if people.tickets:
                ticket_id, _ = world.random.choice(people.tickets[-4:])
                await self._asking.ask_ticket(ReadTicket(ticket_id))
