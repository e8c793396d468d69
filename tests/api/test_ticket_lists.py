from itertools import count
from typing import Any
from unittest.mock import ANY

import pytest

from serve_app.http.paging import cursor_of
from tests.api.world import Person, World, fields

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


async def test_seller_me_needs_a_session_and_takes_no_other_value(world: World) -> None:
    anyone, seller = world.anyone(), await world.someone()
    assert (await anyone.http.get("/api/tickets", params={"seller": "me"})).status_code == 401
    response = await anyone.http.get("/api/tickets", params={"seller": seller.id})
    assert response.status_code == 400
    assert fields(response) == {"seller"}


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
