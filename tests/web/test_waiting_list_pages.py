"""Waiting for a ticket that somebody else holds, with forms alone: the line, one's turn, and the seller's view."""

from tests.api.world import World
from tests.web.reading import leads_to, opens, sends, submits


async def test_person_in_line_sees_their_place_and_can_leave(world: World) -> None:
    _, _, ticket, _ = await world.held()
    first, second = await world.someone(), await world.someone()
    for person in (first, second):
        page = await opens(person, f"/tickets/{ticket['id']}")
        leads_to(await submits(person, page, "/wait"))
    assert "You are number 1 in line" in (await opens(first, f"/tickets/{ticket['id']}")).text
    page = await opens(second, f"/tickets/{ticket['id']}")
    assert "You are number 2 in line" in page.text
    leads_to(await submits(second, page, "/leave-line"))
    assert "You are number" not in (await opens(second, f"/tickets/{ticket['id']}")).text


async def test_first_in_line_is_offered_the_released_ticket_and_accepts(world: World) -> None:
    _, holder, ticket, order = await world.held()
    waiter = await world.someone()
    leads_to(await sends(waiter, f"/tickets/{ticket['id']}/wait", maxPrice="12,50"))
    await holder.http.delete(f"/api/orders/{order['id']}")
    offered = (await waiter.http.get("/api/orders")).json()[0]
    page = await opens(waiter, f"/orders/{offered['id']}")
    assert "Your turn" in page.text
    assert "It is yours if you want it" in page.text
    assert leads_to(await submits(waiter, page, "/accept")) == f"/orders/{offered['id']}"
    assert "Your turn" not in (await opens(waiter, f"/orders/{offered['id']}")).text


async def test_line_for_a_ticket_that_is_for_sale_is_refused_in_words(world: World) -> None:
    ticket = await (await world.someone()).lists()
    page = await sends(await world.someone(), f"/tickets/{ticket['id']}/wait")
    assert page.status == 409
    assert page.form("/buy").buttons == ["Buy for $12.50"]


async def test_limit_that_is_no_price_is_refused(world: World) -> None:
    _, _, ticket, _ = await world.held()
    waiter = await world.someone()
    for text in ("NaN", "12.345"):
        assert (await sends(waiter, f"/tickets/{ticket['id']}/wait", maxPrice=text)).status == 400


async def test_seller_sees_how_many_wait_and_closes_the_line(world: World) -> None:
    seller, _, ticket, _ = await world.held()
    waiter = await world.someone()
    leads_to(await sends(waiter, f"/tickets/{ticket['id']}/wait"))
    page = await opens(seller, f"/listings/{ticket['id']}")
    assert "1 person waits for it" in page.text
    assert waiter.id not in page.html
    leads_to(await submits(seller, page, "/close-line"))
    assert "You are number" not in (await opens(waiter, f"/tickets/{ticket['id']}")).text


async def test_expired_offer_is_not_accepted_at_another_price(world: World) -> None:
    seller, holder, ticket, order = await world.held()
    waiter = await world.someone()
    leads_to(await sends(waiter, f"/tickets/{ticket['id']}/wait"))
    await holder.http.delete(f"/api/orders/{order['id']}")
    offered = (await waiter.http.get("/api/orders")).json()[0]
    page = await opens(waiter, f"/orders/{offered['id']}")
    world.clock.advance(601)
    changed = await seller.http.put(f"/api/tickets/{ticket['id']}", json={"title": ticket["title"], "price": 60})
    assert changed.status_code == 200
    refused = await submits(waiter, page, "/accept")
    assert refused.status == 409
    assert [each["id"] for each in (await waiter.http.get("/api/orders")).json()] == [offered["id"]]
