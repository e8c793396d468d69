from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from unittest.mock import ANY

import pytest
from bson import ObjectId

from actors.domain.instants import Instant
from actors.domain.ticket_commands import CancelOrder, Reserve
from actors.domain.ticket_values import Order
from actors.storage.orders import Orders
from actors.storage.ticket_lists import TicketFilter, TicketLists
from serve_app.http.paging import cursor_of
from serve_app.http.timestamps import iso
from tests.api.world import JSON, Person, World, fields

Value = str | int
DAY_MS = 86_400_000


async def titles(person: Person, **parameters: Value) -> list[str]:
    response = await person.http.get("/api/tickets", params=parameters)
    assert response.status_code == 200, response.text
    return [ticket["title"] for ticket in response.json()]


async def every_page(person: Person, path: str, **parameters: Value) -> list[list[dict[str, Any]]]:
    pages = []
    response = await person.http.get(path, params=parameters)
    while True:
        assert response.status_code == 200, response.text
        pages.append(response.json())
        if "next" not in response.links:
            return pages
        response = await person.http.get(response.links["next"]["url"])


async def test_a_new_ticket_is_in_the_list_at_once(world: World) -> None:
    seller = await world.someone()
    ticket = await seller.lists()
    response = await world.anyone().http.get("/api/tickets")
    assert response.status_code == 200
    assert response.json() == [ticket]


async def test_read_your_writes_holds_for_a_list_that_was_read_a_moment_ago(world: World) -> None:
    seller = await world.someone()
    assert await titles(world.anyone()) == []
    ticket = await seller.lists(title="mine")
    assert await titles(seller) == ["mine"]
    await seller.http.delete(f"/api/tickets/{ticket['id']}")
    assert await titles(seller) == []


async def test_others_may_see_a_change_some_moments_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tenths = count(1_000)
    monkeypatch.setattr("serve_app.search.coalescing_cache._now", lambda: next(tenths) / 10)
    seller, other = await world.someone(), world.anyone()
    assert await titles(other) == []
    await seller.lists(title="new")
    seen = [await titles(other) for _ in range(20)]
    assert seen[0] == [], "the list that was kept"
    assert seen[-1] == ["new"]


async def test_tickets_far_apart_are_found_by_widening_the_search(world: World) -> None:
    seller = await world.someone()
    for price in (1, 999_999, 40, 40_000):
        await seller.lists(title=str(price), price=price)
        world.clock.advance(3_600)
    anyone = world.anyone()
    assert await titles(anyone, sort="price") == ["1", "40", "40000", "999999"]
    assert await titles(anyone, sort="-price") == ["999999", "40000", "40", "1"]
    assert await titles(anyone, sort="newest") == ["40000", "40", "999999", "1"]


async def test_tickets_that_are_held_sold_or_withdrawn_are_not_for_sale(world: World) -> None:
    seller, buyer, held, _ = await world.held()
    sold, withdrawn = await seller.lists(title="sold"), await seller.lists(title="withdrawn")
    await buyer.pays(await buyer.orders(sold))
    await seller.http.delete(f"/api/tickets/{withdrawn['id']}")
    assert await titles(buyer) == []
    own = (await seller.http.get("/api/tickets", params={"seller": "me"})).json()
    assert {ticket["id"]: ticket["status"] for ticket in own} == {
        held["id"]: "reserved", sold["id"]: "sold", withdrawn["id"]: "withdrawn"
    }  # fmt: skip


async def test_a_ticket_whose_hold_expired_is_for_sale_again(world: World) -> None:
    _, buyer, ticket, _ = await world.held()
    world.clock.advance(901)
    assert await titles(buyer) == [ticket["title"]]


async def test_seller_me_lists_only_ones_own_tickets(world: World) -> None:
    seller, other = await world.someone(), await world.someone()
    await seller.lists(title="mine")
    await other.lists(title="theirs")
    assert await titles(seller, seller="me") == ["mine"]


async def test_seller_me_needs_a_session_and_takes_no_other_value(world: World) -> None:
    anyone, seller = world.anyone(), await world.someone()
    assert (await anyone.http.get("/api/tickets", params={"seller": "me"})).status_code == 401
    response = await anyone.http.get("/api/tickets", params={"seller": seller.id})
    assert response.status_code == 400
    assert fields(response) == {"seller"}


SORTS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("newest", lambda ticket: -int(ticket["title"])),
    ("price", lambda ticket: ticket["price"]),
    ("-price", lambda ticket: -ticket["price"]),
    ("startsAt", lambda ticket: ticket.get("startsAt", "9")),
]


@pytest.mark.parametrize(("sort", "rank"), SORTS)
async def test_pages_hold_every_ticket_once_in_order(
    world: World, sort: str, rank: Callable[[dict[str, Any]], Any]
) -> None:
    seller, buyer = await world.someone(), await world.someone()
    tickets = []
    for number in range(13):
        starts_at = iso(world.clock() + (20 - number) * DAY_MS) if number % 3 else None
        tickets.append(await seller.lists(title=str(number), price=5 + (number * 7) % 13, startsAt=starts_at))
        world.clock.advance(1)
    for ticket in tickets[3:6]:
        await buyer.orders(ticket)
    pages = await every_page(world.anyone(), "/api/tickets", sort=sort, limit=3)
    listed = [ticket for page in pages for ticket in page]
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert [rank(ticket) for ticket in listed] == sorted(rank(ticket) for ticket in listed)
    assert {ticket["id"] for ticket in listed} == {ticket["id"] for ticket in tickets[:3] + tickets[6:]}


async def test_a_page_is_filled_also_when_many_tickets_are_held(world: World) -> None:
    seller = await world.someone()
    tickets = [await seller.lists(title=str(number)) for number in range(12)]
    for start in (6, 9):
        buyer = await world.someone()
        for ticket in tickets[start : start + 3]:
            await buyer.orders(ticket)
    assert len(await titles(world.anyone(), limit=4)) == 4


@pytest.fixture
async def crowded(world: World) -> list[JSON]:
    """Eighty tickets, the newest first, of which the newest sixty are held."""
    seller = await world.someone()
    tickets = []
    for number in range(80):
        tickets.append(await seller.lists(title=str(number)))
        world.clock.advance(1)
    for ticket in tickets[20:]:
        await world.services.market.ask_ticket(Reserve(ticket["id"], str(ObjectId()), str(ObjectId()), window=900_000))
    return tickets[::-1]


class CountingOrders(Orders):
    """Counts the tickets that it was asked about."""

    asked = 0

    async def live(self, ticket_ids: Sequence[str], now: Instant) -> dict[str, Order]:
        self.asked += len(ticket_ids)
        return await super().live(ticket_ids, now)


async def test_many_held_tickets_in_a_row_are_not_looked_at_all_the_time(world: World, crowded: list[JSON]) -> None:
    orders = CountingOrders(world.database)
    tickets, wanted = TicketLists(world.database, orders), TicketFilter("newest")
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


async def test_a_ticket_listed_while_others_are_held_comes_first(world: World, crowded: list[JSON]) -> None:
    tickets = TicketLists(world.database, world.services.queries.orders)
    await tickets.page(TicketFilter("newest"), 5, None, world.clock())
    new = [await (await world.someone()).lists(title="new") for _ in range(2)]
    page = await tickets.page(TicketFilter("newest"), 5, None, world.clock())
    found = [ticket.id for ticket in page.items]
    assert set(found[:2]) == {ticket["id"] for ticket in new}
    assert found[2:] == [ticket["id"] for ticket in crowded[60:63]]
    after = await tickets.page(TicketFilter("newest"), 5, page.next_position, world.clock())
    assert [ticket.id for ticket in after.items] == [ticket["id"] for ticket in crowded[63:68]]


async def test_a_released_ticket_is_listed_at_once_for_its_former_holder_and_soon_for_others(
    world: World, crowded: list[JSON]
) -> None:
    tickets, wanted = TicketLists(world.database, world.services.queries.orders), TicketFilter("newest")
    await tickets.page(wanted, 5, None, world.clock())
    held = (await world.anyone().http.get(f"/api/tickets/{crowded[30]['id']}")).json()
    await world.services.market.ask_ticket(CancelOrder(held["id"], held["orderId"]))

    async def first(*, anew: bool) -> str:
        return (await TicketLists.page(tickets, wanted, 5, None, world.clock(), anew=anew)).items[0].id

    assert await first(anew=False) == crowded[60]["id"]
    assert await first(anew=True) == held["id"]
    world.clock.advance(4)
    assert await first(anew=False) == held["id"]


async def test_filters_hold_together(world: World) -> None:
    seller = await world.someone()
    await seller.lists(title="Die Zauberflöte", city="Berlin", category="theater", price=20)
    await seller.lists(title="Zauberei", city="New York", category="comedy", price=30)
    await seller.lists(title="Finale", venue="Berlin Arena", category="sports", price=40)
    anyone = world.anyone()
    assert await titles(anyone, q="zauberflöte") == ["Die Zauberflöte"]
    assert await titles(anyone, q="ZAUBERFLÖTE die") == ["Die Zauberflöte"]
    assert await titles(anyone, q="zauber") == []
    assert await titles(anyone, q="berlin") == ["Finale", "Die Zauberflöte"]
    assert await titles(anyone, q="berlin", city="berlin") == ["Die Zauberflöte"]
    assert await titles(anyone, city="NEW YORK") == ["Zauberei"]
    assert await titles(anyone, city="York") == []
    assert await titles(anyone, q="zauberflote", city="BÉRLIN", category="Theater") == ["Die Zauberflöte"]
    assert await titles(anyone, city="!!!") == []
    assert await titles(anyone, category="sports") == ["Finale"]
    assert await titles(anyone, minPrice="20", maxPrice="30.00", sort="price") == ["Die Zauberflöte", "Zauberei"]
    assert await titles(anyone, minPrice="20.01", sort="-price") == ["Finale", "Zauberei"]
    assert await titles(anyone, q="$where .* !!") == []
    assert await titles(anyone, q="!!!") == []
    assert await titles(anyone, q="", category="", cursor="", limit="") == ["Finale", "Zauberei", "Die Zauberflöte"]


async def test_a_ticket_to_a_show_that_started_is_not_listed(world: World) -> None:
    seller = await world.someone()
    await seller.lists(title="soon", startsAt=iso(world.clock() + 60_000))
    await seller.lists(title="later", startsAt=iso(world.clock() + DAY_MS))
    assert await titles(seller, sort="startsAt") == ["soon", "later"]
    world.clock.advance(60)
    assert await titles(seller, sort="startsAt") == ["later"]
    assert sorted(await titles(seller, seller="me")) == ["later", "soon"]


async def test_the_link_to_the_next_page_keeps_the_filters(world: World) -> None:
    seller = await world.someone()
    for city in ("Berlin", "Paris", "Berlin"):
        await seller.lists(title=city, city=city)
    response = await world.anyone().http.get("/api/tickets?city=Berlin&limit=1&utm_source=x")
    assert response.links["next"] == {"url": ANY, "rel": "next"}
    assert "utm_source" not in response.headers["link"]
    following = await world.anyone().http.get(response.links["next"]["url"])
    assert [ticket["city"] for ticket in following.json()] == ["Berlin"]
    assert "link" not in following.headers


GOOD_CURSOR = cursor_of("newest", "0" * 15 + "a" * 24)
WRONG_PARAMETERS = [
    ("limit", "0"), ("limit", "101"), ("limit", "-1"), ("limit", "1.5"), ("limit", "x"), ("limit", "٣"),
    ("limit", "9" * 5_000), ("sort", "title"), ("sort", "newest "), ("category", "opera"), ("minPrice", "x"),
    ("minPrice", "-1"), ("maxPrice", "1.234"), ("maxPrice", "NaN"), ("maxPrice", "1e3"), ("minPrice", "9" * 5_000),
    ("cursor", "x"), ("cursor", GOOD_CURSOR[:-1]), ("cursor", GOOD_CURSOR + "A"), ("cursor", "é"),
    ("cursor", "A" + GOOD_CURSOR[1:]), ("cursor", cursor_of("price", "0" * 10 + "a" * 24)),
    ("cursor", cursor_of("newest", "$gt")), ("cursor", "A" * 5_000), ("q", "\x00"), ("q", "x" * 201), ("city", "\x01"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG_PARAMETERS)
async def test_a_wrong_parameter_is_named(world: World, name: str, value: str) -> None:
    response = await world.anyone().http.get("/api/tickets", params={name: value})
    assert response.status_code == 400
    assert fields(response) == {name}


async def test_all_wrong_parameters_are_named_at_once(world: World) -> None:
    response = await world.anyone().http.get("/api/tickets?limit=0&sort=x&cursor=y&minPrice=z")
    assert fields(response) == {"limit", "sort", "cursor", "minPrice"}


async def test_orders_page_newest_first(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    made = []
    for number in range(3):
        made.append(await buyer.orders(await seller.lists(title=str(number))))
        world.clock.advance(1)
    pages = await every_page(buyer, "/api/orders", limit=2)
    assert pages == [[made[2], made[1]], [made[0]]]
