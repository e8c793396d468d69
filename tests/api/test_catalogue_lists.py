"""What every catalogue promises. Both run on the embedded database, where the plain one is only slower."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.storage.catalogue import MongoCatalogue, TicketFilter
from actors.storage.embedded.catalogue import EmbeddedCatalogue
from serve_app.http.timestamps import iso
from tests.api.crowds import newest_sixty_held
from tests.api.test_ticket_lists import DAY_MS, every_page, titles
from tests.api.world import World

CATALOGUES = [MongoCatalogue, EmbeddedCatalogue]


@pytest.fixture(params=CATALOGUES)
def world(world: World, request: pytest.FixtureRequest) -> World:
    queries = world.services.queries
    catalogue = request.param(world.database, queries.orders)
    world.serving(queries=replace(queries, catalogue=catalogue))
    return world


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


async def test_a_ticket_whose_hold_ran_out_is_for_sale_again(world: World) -> None:
    _, buyer, ticket, _ = await world.held()
    world.clock.advance(901)
    assert await titles(buyer) == [ticket["title"]]


async def test_one_sees_only_ones_own_with_seller_me(world: World) -> None:
    seller, other = await world.someone(), await world.someone()
    await seller.lists(title="mine")
    await other.lists(title="theirs")
    assert await titles(seller, seller="me") == ["mine"]


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


async def test_ticket_listed_while_others_are_held_comes_first(world: World) -> None:
    crowded = await newest_sixty_held(world)
    catalogue = world.services.queries.catalogue
    await catalogue.page(TicketFilter("newest"), 5, None, world.clock())
    new = [await (await world.someone()).lists(title="new") for _ in range(2)]
    page = await catalogue.page(TicketFilter("newest"), 5, None, world.clock())
    found = [ticket.id for ticket in page.items]
    assert set(found[:2]) == {ticket["id"] for ticket in new}
    assert found[2:] == [ticket["id"] for ticket in crowded[60:63]]
    after = await catalogue.page(TicketFilter("newest"), 5, page.next_position, world.clock())
    assert [ticket.id for ticket in after.items] == [ticket["id"] for ticket in crowded[63:68]]


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


async def test_ticket_of_an_event_that_has_begun_is_not_for_sale(world: World) -> None:
    seller = await world.someone()
    await seller.lists(title="soon", startsAt=iso(world.clock() + 60_000))
    await seller.lists(title="later", startsAt=iso(world.clock() + DAY_MS))
    assert await titles(seller, sort="startsAt") == ["soon", "later"]
    world.clock.advance(60)
    assert await titles(seller, sort="startsAt") == ["later"]
    assert sorted(await titles(seller, seller="me")) == ["later", "soon"]


async def test_next_page_has_nothing_that_has_begun_since_the_first_was_read(world: World) -> None:
    seller = await world.someone()
    for hours in range(1, 5):
        await seller.lists(title=str(hours), startsAt=iso(world.clock() + hours * 3_600_000))
    first = await world.anyone().http.get("/api/tickets?sort=startsAt&limit=1")
    assert [ticket["title"] for ticket in first.json()] == ["1"]
    world.clock.advance(2 * 3_600)
    second = await world.anyone().http.get(first.links["next"]["url"])
    assert [ticket["title"] for ticket in second.json()] == ["3"]


async def test_page_of_very_many_held_tickets_ends_early_and_the_next_goes_on_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("actors.storage.catalogue", "actors.storage.embedded.catalogue"):
        monkeypatch.setattr(f"{module}.MOST_LOOKED_AT", 30)
    crowded = await newest_sixty_held(world, seconds_apart=0)
    catalogue, found, after, pages = world.services.queries.catalogue, [], None, 0
    while pages == 0 or after is not None:
        page = await catalogue.page(TicketFilter("newest"), 30, after, world.clock())
        after, pages = page.next_position, pages + 1
        found += [ticket.id for ticket in page.items]
    assert pages > 1, "all twenty that are for sale would be on one page"
    assert found == [ticket["id"] for ticket in crowded[60:]]


async def test_catalogue_answers_a_question_for_anew_with_what_was_let_go_just_now(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    catalogue = world.services.queries.catalogue
    assert (await catalogue.page(TicketFilter("newest"), 5, None, world.clock(), refresh=True)).items == []
    assert (await buyer.http.delete(f"/api/orders/{order['id']}")).is_success
    (found,) = (await catalogue.page(TicketFilter("newest"), 5, None, world.clock(), refresh=True)).items
    assert found.id == ticket["id"]
