"""People wait for a ticket that somebody else holds, and the first in line is offered it."""

from datetime import datetime

import pytest
from bson import ObjectId

from actors.domain.ticket_commands import JoinWaitingList
from serve_app.buying.waiting import MOST_LINES
from serve_app.http.timestamps import iso
from tests.api.world import JSON, NOBODY, Person, World, errors, fields


def address(ticket: JSON) -> str:
    return f"/api/tickets/{ticket['id']}/waiting"


async def waits(person: Person, ticket: JSON, **body: object) -> JSON:
    response = await person.http.post(address(ticket), json=body)
    assert response.status_code == 201, response.text
    view: JSON = response.json()
    return view


async def offered_to(person: Person) -> JSON:
    (order,) = (await person.http.get("/api/orders")).json()
    assert order["offer"] is True
    return dict(order)


async def test_people_wait_in_the_order_in_which_they_came(world: World) -> None:
    _, _, ticket, _ = await world.held()
    first, second = await world.someone(), await world.someone()
    assert await waits(first, ticket) == {"ticketId": ticket["id"], "place": 1}
    assert await waits(second, ticket) == {"ticketId": ticket["id"], "place": 2}
    assert (await second.http.get(address(ticket))).json() == {"ticketId": ticket["id"], "place": 2}
    await first.http.delete(address(ticket))
    assert (await second.http.get(address(ticket))).json()["place"] == 1
    assert (await first.http.get(address(ticket))).status_code == 404
    assert (await first.http.delete(address(ticket))).status_code == 204


async def test_repeat_keeps_the_place_and_has_the_new_limit(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    first, second = await world.someone(), await world.someone()
    await waits(first, ticket)
    await waits(second, ticket)
    response = await first.http.post(address(ticket), json={"maxPrice": "12.49"})
    assert (response.status_code, response.json()["place"]) == (200, 1)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    await offered_to(second)
    assert (await first.http.get("/api/orders")).json() == []


@pytest.mark.parametrize("ends", ["let go", "declined", "expired"])
async def test_the_first_in_line_is_offered_the_ticket_however_the_hold_ends(world: World, ends: str) -> None:
    _, buyer, ticket, order = await world.held()
    person = await world.someone()
    await waits(person, ticket, maxPrice=12.5)
    match ends:
        case "let go":
            await buyer.http.delete(f"/api/orders/{order['id']}")
        case "declined":
            assert (await buyer.pays(order, "pm_declined")).status_code == 402
        case "expired":
            world.clock.advance(901)
            stranger = await world.someone()
            response = await stranger.http.post("/api/orders", json={"ticketId": ticket["id"]})
            assert response.status_code == 409, "somebody who waited is first, however fast others are"
    offer = await offered_to(person)
    assert offer["expiresAt"] == iso(world.clock() + 600_000)
    assert (await person.http.get(address(ticket))).status_code == 404, "nobody waits for what is offered to them"


async def test_offer_is_accepted_with_the_same_request_as_any_purchase(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    person = await world.someone()
    await waits(person, ticket)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    offer = await offered_to(person)
    world.clock.advance(60)
    response = await person.http.post("/api/orders", json={"ticketId": ticket["id"], "expectedPrice": 12.5})
    assert response.status_code == 200
    accepted = response.json()
    assert accepted["id"] == offer["id"]
    assert "offer" not in accepted
    assert accepted["expiresAt"] == iso(world.clock() + 900_000)
    world.clock.advance(60)
    again = await person.http.post("/api/orders", json={"ticketId": ticket["id"]})
    assert again.json() == accepted, "an offer is accepted once: asking again gives no more time"


async def test_offer_is_accepted_by_paying(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    person = await world.someone()
    await waits(person, ticket)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert (await person.pays(await offered_to(person))).status_code == 201


async def test_offer_that_is_cancelled_goes_to_the_next(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    first, second = await world.someone(), await world.someone()
    await waits(first, ticket)
    await waits(second, ticket)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    offer = await offered_to(first)
    assert (await first.http.delete(f"/api/orders/{offer['id']}")).status_code == 204
    await offered_to(second)


async def test_seller_sees_how_many_wait_and_nobody_else_does(world: World) -> None:
    seller, buyer, ticket, _ = await world.held()
    for _ in range(2):
        await waits(await world.someone(), ticket)
    path = f"/api/tickets/{ticket['id']}"
    assert (await seller.http.get(path)).json()["waiting"] == 2
    assert [one["waiting"] for one in (await seller.http.get("/api/tickets?seller=me")).json()] == [2]
    for other in (buyer, world.anyone()):
        assert "waiting" not in (await other.http.get(path)).json()


async def test_seller_closes_the_line_and_the_next_end_of_the_hold_has_the_ticket_for_sale(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    person = await world.someone()
    await waits(person, ticket)
    assert (await seller.http.post(f"{address(ticket)}/close")).status_code == 204
    assert (await seller.http.post(f"{address(ticket)}/close")).status_code == 204
    assert (await person.http.get(address(ticket))).status_code == 404
    refused = await person.http.post(address(ticket), json={})
    assert refused.status_code == 409
    await buyer.http.delete(f"/api/orders/{order['id']}")
    await (await world.someone()).orders(ticket)


async def test_history_says_that_somebody_waits_and_not_who(world: World) -> None:
    seller, _, ticket, _ = await world.held()
    person = await world.someone()
    await waits(person, ticket, maxPrice=20)
    await person.http.delete(address(ticket))
    history = await seller.http.get(f"/api/tickets/{ticket['id']}/history")
    assert [entry["type"] for entry in history.json()][-2:] == ["WaiterJoined", "WaiterLeft"]
    assert [entry["data"] for entry in history.json()][-2:] == [{}, {}]
    assert person.id not in history.text


async def test_people_who_come_and_go_edit_nothing(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    await waits(await world.someone(), ticket, maxPrice=1)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    await (await world.someone()).orders(ticket, expectedVersion=ticket["version"])


async def test_waiting_is_refused_with_a_reason(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    free, person = await seller.lists(), await world.someone()
    assert "for sale" in errors(await person.http.post(address(free), json={}))[0]["message"]
    assert "your own" in errors(await seller.http.post(address(ticket), json={}))[0]["message"]
    assert "You hold" in errors(await buyer.http.post(address(ticket), json={}))[0]["message"]
    await buyer.pays(order)
    assert "sold" in errors(await person.http.post(address(ticket), json={}))[0]["message"]
    await seller.http.delete(f"/api/tickets/{free['id']}")
    assert "withdrawn" in errors(await person.http.post(address(free), json={}))[0]["message"]
    assert (await person.http.post(address({"id": NOBODY}), json={})).status_code == 404
    assert (await person.http.post(address({"id": "x"}), json={})).status_code == 404


@pytest.mark.parametrize("limit", ["much", 0, -1, 0.001, True, "1e9"])
async def test_wrong_limit_is_refused(world: World, limit: object) -> None:
    _, _, ticket, _ = await world.held()
    response = await (await world.someone()).http.post(address(ticket), json={"maxPrice": limit})
    assert (response.status_code, fields(response)) == (400, {"maxPrice"})


async def test_line_takes_a_hundred(world: World) -> None:
    _, _, ticket, _ = await world.held()
    for _ in range(100):
        await world.market.ask_ticket(JoinWaitingList(ticket["id"], str(ObjectId())))
    response = await (await world.someone()).http.post(address(ticket), json={})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0


async def test_nobody_waits_in_more_than_twenty_lines(world: World) -> None:
    seller, person = await world.someone(), await world.someone()
    tickets = [await seller.lists() for _ in range(MOST_LINES + 1)]
    for ticket in tickets:
        await (await world.someone()).orders(ticket)
    for ticket in tickets[:-1]:
        await waits(person, ticket)
    assert (await person.http.post(address(tickets[-1]), json={})).status_code == 429
    assert (await person.http.post(address(tickets[0]), json={"maxPrice": 30})).status_code == 200
    await person.http.delete(address(tickets[0]))
    await waits(person, tickets[-1])


async def test_a_banned_user_leaves_all_waiting_lists(world: World) -> None:
    _, _, ticket, _ = await world.held()
    admin, first, second = await world.admin(), await world.someone(), await world.someone()
    await waits(first, ticket)
    await waits(second, ticket)
    assert (await admin.http.put(f"/api/admin/users/{first.id}/ban")).status_code == 204
    assert (await second.http.get(address(ticket))).json()["place"] == 1


async def test_time_of_an_offer_has_a_zone(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    person = await world.someone()
    await waits(person, ticket)
    await buyer.http.delete(f"/api/orders/{order['id']}")
    assert datetime.fromisoformat((await offered_to(person))["expiresAt"]).utcoffset() is not None
