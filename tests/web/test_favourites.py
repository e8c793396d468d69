"""Keeping an eye on tickets, and what buyers may know of a seller."""

from serve_app.buying import favourites
from tests.api.world import NOBODY, PASSWORD, World
from tests.web.reading import leads_to, opens, sends, submits


async def test_kept_ticket_is_among_the_favorites_until_it_is_taken_off(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    ticket = await seller.lists(title="Hamlet")
    address = f"/tickets/{ticket['id']}"
    assert leads_to(await submits(reader, await opens(reader, address), "/favourite")) == address
    assert "Take off my favorites" in (await opens(reader, address)).text
    page = await opens(reader, "/favourites")
    assert "Hamlet" in page.text
    assert leads_to(await submits(reader, page, "/favourite")) == "/favourites"
    assert "You keep no tickets yet" in (await opens(reader, "/favourites")).text


async def test_favorites_show_what_became_of_tickets_the_newest_first(world: World) -> None:
    seller, buyer, reader = await world.someone(), await world.someone(), await world.someone()
    for title in ("Free", "Held", "Gone", "Away"):
        ticket = await seller.lists(title=title)
        leads_to(await sends(reader, f"/tickets/{ticket['id']}/favourite"))
        world.clock.advance(1)
        if title in ("Held", "Gone"):
            order = await buyer.orders(ticket)
            if title == "Gone":
                await buyer.pays(order)
        elif title == "Away":
            await seller.http.delete(f"/api/tickets/{ticket['id']}")
    text = (await opens(reader, "/favourites")).text
    places = [text.index(title) for title in ("Away", "Gone", "Held", "Free")]
    assert places == sorted(places)
    for state in ("Being bought", "Sold", "Gone"):
        assert state in text


async def test_favorites_of_others_are_not_shown(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    ticket = await seller.lists(title="Hamlet")
    await sends(reader, f"/tickets/{ticket['id']}/favourite")
    assert "Hamlet" not in (await opens(await world.someone(), "/favourites")).text


async def test_favorites_are_shown_a_page_at_a_time(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    for number in range(21):
        ticket = await seller.lists(title=f"Number {number:02}")
        await sends(reader, f"/tickets/{ticket['id']}/favourite")
        world.clock.advance(1)
    first = await opens(reader, "/favourites")
    assert "Number 00" not in first.text
    older = next(link for link in first.links if "cursor=" in link)
    assert "Number 00" in (await opens(reader, older)).text
    assert (await opens(reader, "/favourites?cursor=damaged")).status == 400


async def test_ticket_that_is_not_there_cannot_be_kept(world: World) -> None:
    assert (await sends(await world.someone(), f"/tickets/{NOBODY}/favourite")).status == 404


async def test_nobody_keeps_tickets_without_end(world: World) -> None:
    seller, reader = await world.someone(), await world.someone()
    for number in range(favourites.MOST):
        await world.services.favourites.add(reader.id, f"{number:024x}", world.clock())
    ticket = await seller.lists()
    page = await sends(reader, f"/tickets/{ticket['id']}/favourite")
    assert page.status == 409
    assert "You keep 500 tickets already" in page.text


async def test_favorites_are_in_the_export_and_go_with_the_account(world: World) -> None:
    seller, reader = await world.someone(), await world.member()
    ticket = await seller.lists()
    await sends(reader, f"/tickets/{ticket['id']}/favourite")
    assert (await reader.http.get("/account/export")).json()["favourites"] == [ticket["id"]]
    leads_to(await sends(reader, "/account/close", **{"closing-password": PASSWORD}))
    assert await world.database["favourites"].find_one({"user_id": reader.id}) is None


async def test_ticket_says_since_when_its_seller_is_there_and_what_they_sold(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists()
    assert "and sold no tickets so far" in (await opens(buyer, f"/tickets/{ticket['id']}")).text
    sold = [(await seller.lists())["id"] for _ in range(2)]
    other = await seller.lists()
    # Documents of sales lag for a moment, in this market for ever.
    await world.database["tickets"].update_many({"_id": {"$in": sold}}, {"$set": {"status": "sold"}})
    world.services.lists._asked.clear()  # what was read a moment ago rests
    assert "and sold 2 tickets." in (await opens(buyer, f"/tickets/{other['id']}")).text


async def test_nothing_is_said_of_a_seller_whose_account_is_closed(world: World) -> None:
    seller = await world.member()
    ticket = await seller.lists()
    leads_to(await sends(seller, "/account/close", **{"closing-password": PASSWORD}))
    assert "The seller has been here" not in (await opens(world.anyone(), f"/tickets/{ticket['id']}")).text
