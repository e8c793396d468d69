import asyncio
from datetime import datetime

import pytest

from actors.domain.refusals import TooManyUnpaidHolds
from actors.domain.ticket_commands import CancelSale
from actors.domain.ticket_values import CancelReason
from serve_app.http.refusal_errors import error_of
from serve_app.http.timestamps import iso
from tests.api.world import NOBODY, TICKET, World, errors, fields


async def test_a_new_order_expires_in_fifteen_minutes(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists()
    response = await buyer.http.post("/api/orders", json={"ticketId": ticket["id"], "expectedPrice": "12.50"})
    assert response.status_code == 201
    order = response.json()
    assert order == {
        "id": order["id"], "status": "created", "userId": buyer.id, "price": 12.5, "currency": "usd",
        "createdAt": iso(world.clock()), "expiresAt": iso(world.clock() + 900_000), "version": 1,
        "ticket": {"id": ticket["id"], "title": ticket["title"], "price": 12.5},
    }  # fmt: skip
    assert datetime.fromisoformat(order["expiresAt"]).utcoffset() is not None
    read = await buyer.http.get(f"/api/orders/{order['id']}")
    assert (read.status_code, read.json()) == (200, order)
    held = (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()
    assert (held["status"], held["orderId"]) == ("reserved", order["id"])


async def test_the_buyer_who_asks_again_gets_the_same_order(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    response = await buyer.http.post("/api/orders", json={"ticketId": ticket["id"]})
    assert response.status_code == 200
    assert response.json() == order


async def test_ordering_needs_a_session(world: World) -> None:
    assert (await world.anyone().http.post("/api/orders", json={})).status_code == 401
    assert (await world.anyone().http.get("/api/orders")).status_code == 401
    assert (await world.anyone().http.get(f"/api/orders/{NOBODY}")).status_code == 401
    assert (await world.anyone().http.delete(f"/api/orders/{NOBODY}")).status_code == 401


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"ticketId"}),
        ({"ticketId": "no-id"}, {"ticketId"}),
        ({"ticketId": "F" * 24}, {"ticketId"}),
        ({"ticketId": 5, "expectedPrice": True}, {"ticketId", "expectedPrice"}),
        ({"ticketId": NOBODY, "expectedPrice": 12.345}, {"expectedPrice"}),
        ({"ticketId": NOBODY, "expectedPrize": 12}, {""}),
        ([], {""}),
        (None, {""}),
        ("x", {""}),
    ],
)
async def test_a_wrong_order_is_refused(world: World, body: object, wrong: set[str]) -> None:
    buyer = await world.someone()
    response = await buyer.http.post("/api/orders", json=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert fields(response) == wrong


async def test_a_ticket_that_does_not_exist_cannot_be_ordered(world: World) -> None:
    buyer = await world.someone()
    assert (await buyer.http.post("/api/orders", json={"ticketId": NOBODY})).status_code == 404


async def test_one_ticket_goes_to_one_of_many_buyers(world: World) -> None:
    ticket = await (await world.someone()).lists()
    buyers = [await world.someone() for _ in range(8)]
    responses = await asyncio.gather(
        *(buyer.http.post("/api/orders", json={"ticketId": ticket["id"]}) for buyer in buyers)
    )
    assert sorted(response.status_code for response in responses) == [201, *[409] * 7]


async def test_reserved_sold_withdrawn_begun_and_own_tickets_are_refused_with_a_reason(world: World) -> None:
    seller, buyer, ticket, order = await world.held()
    other = await world.someone()
    withdrawn = await seller.lists()
    await seller.http.delete(f"/api/tickets/{withdrawn['id']}")
    begun = await seller.lists(startsAt=iso(world.clock() + 1_000))
    free = await seller.lists()
    messages = []
    for person, ticket_id in ((other, ticket["id"]), (other, withdrawn["id"]), (seller, free["id"])):
        response = await person.http.post("/api/orders", json={"ticketId": ticket_id})
        assert response.status_code == 409
        messages.append(errors(response)[0]["message"])
    await buyer.pays(order)
    world.clock.advance(1)
    for ticket_id in (ticket["id"], begun["id"]):
        response = await other.http.post("/api/orders", json={"ticketId": ticket_id})
        assert response.status_code == 409
        messages.append(errors(response)[0]["message"])
    assert len(set(messages)) == 5


async def test_a_buyer_is_told_a_changed_price(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists()
    await seller.http.put(f"/api/tickets/{ticket['id']}", json={**TICKET, "price": 1_012.5})
    response = await buyer.http.post("/api/orders", json={"ticketId": ticket["id"], "expectedPrice": 12.5})
    assert response.status_code == 409
    [error] = errors(response)
    assert error["field"] == "expectedPrice"
    assert error["message"].endswith("The price is now 1,012.50")


async def test_a_buyer_holds_only_so_many_tickets(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    for _ in range(3):
        await buyer.orders(await seller.lists())
    response = await buyer.http.post("/api/orders", json={"ticketId": (await seller.lists())["id"]})
    assert response.status_code == 429
    [error] = errors(response)
    assert "field" not in error
    assert 0 < int(response.headers["retry-after"]) <= 900


async def test_a_buyer_does_not_hold_a_ticket_again_and_again(world: World) -> None:
    seller, buyer, another = await world.someone(), await world.someone(), await world.someone()
    ticket = await seller.lists()
    for _ in range(3):
        order = await buyer.orders(ticket)
        assert (await buyer.http.delete(f"/api/orders/{order['id']}")).status_code == 204
    response = await buyer.http.post("/api/orders", json={"ticketId": ticket["id"]})
    assert response.status_code == 429
    [error] = errors(response)
    assert error["field"] == "ticketId"
    assert 3_500 < int(response.headers["retry-after"]) <= 3_600
    await another.orders(ticket)


def test_a_buyer_with_many_unpaid_holds_is_told_how_long_to_wait_without_a_field() -> None:
    error = error_of(TooManyUnpaidHolds(90))
    assert (error.status_code, error.headers) == (429, {"Retry-After": "90"})
    assert all("field" not in entry for entry in error.serialize_errors())


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_order_is_its_buyers_own(world: World, method: str) -> None:
    seller, _, _, order = await world.held()
    assert (await seller.http.request(method, f"/api/orders/{order['id']}")).status_code == 403
    assert (await seller.http.request(method, f"/api/orders/{NOBODY}")).status_code == 404
    assert (await seller.http.request(method, "/api/orders/no-id")).status_code == 404


async def test_cancelling_puts_the_ticket_back_and_may_be_repeated(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    path = f"/api/orders/{order['id']}"
    assert (await buyer.http.delete(path)).status_code == 204
    assert (await buyer.http.delete(path)).status_code == 204
    cancelled = (await buyer.http.get(path)).json()
    assert (cancelled["status"], cancelled["cancelReason"]) == ("cancelled", "buyer")
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"


async def test_an_order_can_be_cancelled_while_it_is_being_paid(world: World) -> None:
    _, buyer, _, order = await world.held()
    assert (await buyer.pays(order, "pm_slow")).status_code == 202
    assert (await buyer.http.delete(f"/api/orders/{order['id']}")).status_code == 204


async def test_a_complete_order_cannot_be_cancelled(world: World) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order)
    response = await buyer.http.delete(f"/api/orders/{order['id']}")
    assert response.status_code == 409
    assert errors(response)


async def test_a_cancelled_sale_leaves_a_cancelled_order(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    await buyer.pays(order)
    await world.market.ask_ticket(CancelSale(ticket["id"], order["id"], CancelReason.CAPTURE_FAILED))
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["cancelReason"] == "capture_failed"
    assert (await buyer.http.delete(f"/api/orders/{order['id']}")).status_code == 204
