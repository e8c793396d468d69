"""Many held tickets in a row, which the embedded database's catalogue leaves out for some seconds."""

from collections.abc import Sequence

from actors.domain.instants import Instant
from actors.domain.ticket_commands import CancelOrder
from actors.domain.ticket_values import Order
from actors.storage.catalogue import TicketFilter
from actors.storage.embedded.catalogue import EmbeddedCatalogue
from actors.storage.orders import Orders
from tests.api.crowds import newest_sixty_held
from tests.api.world import World


class CountingOrders(Orders):
    """Counts the tickets that it was asked about."""

    asked = 0

    async def live(self, ticket_ids: Sequence[str], now: Instant) -> dict[str, Order]:
        self.asked += len(ticket_ids)
        return await super().live(ticket_ids, now)


async def test_many_held_tickets_in_a_row_are_not_looked_at_all_the_time(world: World) -> None:
    crowded = await newest_sixty_held(world)
    orders = CountingOrders(world.database)
    tickets, wanted = EmbeddedCatalogue(world.database, orders), TicketFilter("newest")
    looked_at = []
    for _ in range(3):
        page = await tickets.page(wanted, 5, None, world.clock())
        assert [ticket.id for ticket in page.items] == [ticket["id"] for ticket in crowded[60:65]]
        looked_at.append(orders.asked)
        orders.asked = 0
    assert looked_at[0] >= 65
    assert looked_at[2] < 20
    world.clock.advance(4)
    await tickets.page(wanted, 5, None, world.clock())
    assert orders.asked >= 60


async def test_one_that_is_for_sale_again_shows_at_once_to_who_let_go_and_soon_to_others(world: World) -> None:
    crowded = await newest_sixty_held(world)
    tickets, wanted = EmbeddedCatalogue(world.database, world.services.queries.orders), TicketFilter("newest")
    await tickets.page(wanted, 5, None, world.clock())
    held = (await world.anyone().http.get(f"/api/tickets/{crowded[30]['id']}")).json()
    await world.services.market.ask_ticket(CancelOrder(held["id"], held["orderId"]))

    async def first(*, refresh: bool) -> str:
        return (await tickets.page(wanted, 5, None, world.clock(), refresh=refresh)).items[0].id

    assert await first(refresh=False) == crowded[60]["id"]
    assert await first(refresh=True) == held["id"]
    world.clock.advance(4)
    assert await first(refresh=False) == held["id"]
