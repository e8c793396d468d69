"""A market in which the newest tickets are all being bought."""

from bson import ObjectId

from actors.domain.ticket_commands import Reserve
from tests.api.world import JSON, World


async def newest_sixty_held(world: World, *, seconds_apart: float = 1) -> list[JSON]:
    """Eighty tickets, the newest first, of which the newest sixty are held."""
    seller = await world.someone()
    tickets = []
    for number in range(80):
        tickets.append(await seller.lists(title=str(number)))
        world.clock.advance(seconds_apart)
    for ticket in tickets[20:]:
        await world.services.market.ask_ticket(Reserve(ticket["id"], str(ObjectId()), str(ObjectId()), window=900_000))
    return tickets[::-1]
