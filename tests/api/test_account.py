import json

from actors.storage.user_flags import DelistedSellers
from actors.supervision.delisting import Delisting
from serve_app.http.timestamps import iso
from tests.api.world import JSON, PASSWORD, Person, World, errors, fields


async def closes(person: Person, password: str = PASSWORD) -> int:
    return (await person.http.request("DELETE", "/api/users/me", json={"password": password})).status_code


async def test_an_export_has_everything_that_is_kept_about_a_person(world: World) -> None:
    member, other = await world.member(), await world.someone()
    ticket = await member.lists(title="Mine")
    order = await member.orders(await other.lists(title="Theirs"))
    response = await member.http.get("/api/users/me/export")
    assert "attachment" in response.headers["content-disposition"]
    found = response.json()
    assert found["user"]["email"] == member.email
    assert [each["id"] for each in found["tickets"]] == [ticket["id"]]
    assert [each["id"] for each in found["orders"]] == [order["id"]]
    assert len(found["sessions"]) == 1
    assert "hash" not in json.dumps(found)


async def test_export_has_payments_security_events_and_mails(world: World) -> None:
    member, other = await world.member(), await world.someone()
    order = await member.orders(await other.lists())
    await member.pays(order)
    await other.pays(await other.orders(await member.lists()))
    await world.anyone().http.post("/api/users/signin", json={"email": member.email, "password": "a wrong password"})
    await world.services.security_events.flush()
    found = (await member.http.get("/api/users/me/export")).json()
    assert [(each["orderId"], each["status"], each["amount"]) for each in found["payments"]] == [
        (order["id"], "completed", order["price"])
    ]
    assert sorted(each["type"] for each in found["securityEvents"]) == ["SignInFailed", "SignedIn"]
    assert [each["kind"] for each in found["mails"]] == ["verification"]


async def test_export_is_whole_however_long_the_past_is(world: World) -> None:
    member = await world.member()
    order = await member.orders(await (await world.someone()).lists())
    ticket = await member.lists()
    examples = {"orders": {"_id": order["id"]}, "tickets": {"_id": ticket["id"]}, "mails": {"user_id": member.id}}
    for collection, one in examples.items():
        like = await world.database[collection].find_one(one)
        assert like is not None
        ids = [f"{number:024x}" for number in range(250)]
        copies = [{**like, "_id": copy, "by_newest": f"{world.clock():015d}{copy}"} for copy in ids]
        await world.database[collection].insert_many(copies)
    found = (await member.http.get("/api/users/me/export")).json()
    assert {part: len(found[part]) for part in examples} == dict.fromkeys(examples, 251)


async def test_closing_an_account_leaves_no_trace_of_the_person(world: World) -> None:
    member, buyer = await world.member(), await world.someone()
    sold, listed = await member.lists(startsAt=iso(world.clock() + 60_000)), await member.lists()
    order = await buyer.orders(sold)
    await buyer.pays(order)
    world.clock.advance(61)
    assert await closes(member) == 204
    assert (await member.http.get("/api/orders")).status_code == 401
    for collection in await world.database.list_collection_names():
        kept = str([document async for document in world.database[collection].find()])
        assert member.email not in kept, collection
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).status_code == 200, "the buyer keeps theirs"
    await Delisting(DelistedSellers(world.database), world.market, world.clock).sweep()
    assert (await buyer.http.get(f"/api/tickets/{listed['id']}")).json()["status"] == "withdrawn"


async def test_nothing_is_for_sale_any_more_when_the_closing_of_an_account_is_answered(world: World) -> None:
    member = await world.member()
    ticket = await member.lists()
    assert await closes(member) == 204
    assert (await world.anyone().http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "withdrawn"


WORDS = {"description": "Call Ann at 555 0100", "venue": "Ann's house", "city": "Annville", "seat": "12"}


async def test_words_of_a_closed_account_are_not_published_any_longer(world: World) -> None:
    member, buyer, admin, other = await world.member(), await world.someone(), await world.admin(), world.anyone()
    listed = await member.lists(title="Ann's ticket", **WORDS)
    later = iso(world.clock() + 3_600_000)
    sold = await member.lists(title="Ann's ticket", startsAt=later, **WORDS)
    await buyer.pays(await buyer.orders(sold))
    withdrawn = await (await world.someone()).lists(title="Not Ann's")
    world.clock.advance(7_200)
    await world.services.users.close(member.id, world.clock())
    await Delisting(DelistedSellers(world.database), world.market, world.clock).sweep()

    async def sees(person: Person, ticket: JSON) -> str:
        response = await person.http.get(f"/api/tickets/{ticket['id']}")
        assert response.status_code == 200
        return response.text

    for ticket in (listed, sold):
        for text in (await sees(other, ticket), await sees(await world.someone(), ticket)):
            assert "A ticket of a closed account" in text
            assert not any(word in text for word in ("Ann", "555", *WORDS))
        assert "555" in await sees(admin, ticket)
    assert "555" in await sees(buyer, sold)
    assert "555" not in await sees(buyer, listed)
    assert "Not Ann" in await sees(other, withdrawn)


async def test_words_of_somebody_who_is_still_there_stay_public(world: World) -> None:
    member, other = await world.member(), world.anyone()
    ticket = await member.lists(title="Mine")
    await member.http.delete(f"/api/tickets/{ticket['id']}")
    assert (await other.http.get(f"/api/tickets/{ticket['id']}")).json()["title"] == "Mine"


async def test_a_closed_account_cannot_be_signed_into_and_its_address_is_free_again(world: World) -> None:
    member = await world.member()
    account = {"email": member.email, "password": PASSWORD}
    await closes(member)
    assert (await world.anyone().http.post("/api/users/signin", json=account)).status_code == 401
    again = await world.anyone().http.post("/api/users/signup", json=account)
    assert again.status_code == 201
    assert again.json()["id"] != member.id


async def test_two_people_can_close_their_accounts(world: World) -> None:
    for _ in range(2):
        assert await closes(await world.member()) == 204


async def test_closing_an_account_needs_the_password(world: World) -> None:
    member = await world.member()
    response = await member.http.request("DELETE", "/api/users/me", json={"password": "wrong"})
    assert response.status_code == 400
    assert fields(response) == {"password"}
    assert (await member.http.get("/api/orders")).status_code == 200


async def test_an_account_that_holds_a_ticket_cannot_be_closed(world: World) -> None:
    member = await world.member()
    order = await member.orders(await (await world.someone()).lists())
    assert await closes(member) == 409
    await member.http.delete(f"/api/orders/{order['id']}")
    assert await closes(member) == 204


async def test_an_account_whose_ticket_is_held_cannot_be_closed(world: World) -> None:
    seller, buyer = await world.member(), await world.someone()
    await seller.lists()
    held = await seller.lists()
    order = await buyer.orders(held)
    response = await seller.http.request("DELETE", "/api/users/me", json={"password": PASSWORD})
    assert response.status_code == 409
    assert held["id"] in errors(response)[0]["message"]
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert await closes(seller) == 204


async def test_an_account_that_sold_a_ticket_cannot_be_closed_before_the_show(world: World) -> None:
    seller, buyer = await world.member(), await world.someone()
    sold = await seller.lists(startsAt=iso(world.clock() + 60_000))
    await buyer.pays(await buyer.orders(sold))
    assert await closes(seller) == 409
    world.clock.advance(61)
    assert await closes(seller) == 204


async def test_an_account_cannot_be_closed_while_an_order_of_its_buyer_is_not_upgraded(world: World) -> None:
    seller, buyer = await world.member(), await world.someone()
    sold = await seller.lists(startsAt=iso(world.clock() + 60_000))
    order = await buyer.orders(sold)
    await buyer.pays(order)
    # As the first release stored it.
    await world.database["orders"].update_one(
        {"_id": order["id"]}, {"$unset": {"by_live_ticket": "", "projection": ""}}
    )
    assert await closes(seller) == 409
    world.clock.advance(61)
    assert await closes(seller) == 204


async def test_without_a_known_beginning_an_event_is_to_come_for_180_days_after_the_sale(world: World) -> None:
    seller, buyer = await world.member(), await world.someone()
    await buyer.pays(await buyer.orders(await seller.lists()))
    account = {"email": seller.email, "password": PASSWORD}
    for days, status in ((179, 409), (2, 204)):
        world.clock.advance(days * 86_400)
        await seller.http.post("/api/users/signin", json=account)
        assert await closes(seller) == status


async def test_a_seller_who_refunded_the_sale_may_close_the_account(world: World) -> None:
    seller, buyer = await world.member(), await world.someone()
    order = await buyer.orders(await seller.lists())
    await buyer.pays(order)
    assert await closes(seller) == 409
    assert (await seller.http.post(f"/api/orders/{order['id']}/refund")).status_code == 200
    assert await closes(seller) == 204
