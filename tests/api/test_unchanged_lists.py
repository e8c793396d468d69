"""Whoever has a page of a list already is told that it is still so, and nobody else keeps it for them."""

import pytest

from tests.api.world import World


async def test_an_unchanged_page_is_not_sent_again(world: World) -> None:
    seller, reader = await world.someone(), world.anyone()
    await seller.lists()
    seen = await reader.http.get("/api/tickets")
    assert seen.headers["cache-control"] == "private, no-cache"
    tag = seen.headers["etag"]
    assert tag.startswith('W/"')
    for known in (tag, tag.removeprefix("W/"), f'"another", {tag}', "*"):
        again = await reader.http.get("/api/tickets", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    other = await reader.http.get("/api/tickets", headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.json()) == (200, seen.json())


async def test_page_that_changed_is_sent_with_another_tag(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists()
    lists = ("/api/tickets", "/api/orders")
    tags = [(await buyer.http.get(path)).headers["etag"] for path in lists]
    await buyer.orders(ticket)
    for path, tag in zip(lists, tags, strict=True):
        changed = await buyer.http.get(path, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag


@pytest.mark.parametrize("path", ["/api/tickets?seller=me", "/api/orders"])
async def test_same_looking_pages_of_two_people_are_kept_by_each_alone(world: World, path: str) -> None:
    response = await (await world.someone()).http.get(path)
    assert response.headers["cache-control"] == "private, no-cache"


async def test_page_with_another_continuation_has_another_tag(world: World) -> None:
    seller, reader = await world.someone(), world.anyone()
    for number in range(2):
        await seller.lists(title=f"number {number}", category="concert")
    short = await reader.http.get("/api/tickets", params={"limit": "1"})
    narrow = await reader.http.get("/api/tickets", params={"limit": "1", "category": "concert"})
    assert short.json() == narrow.json()
    assert short.headers["etag"] != narrow.headers["etag"]
