import asyncio

import pytest

from tests.api.world import TICKET, World, fields

KEY = {"Idempotency-Key": "once, please"}


async def test_a_repeated_listing_is_one_ticket_in_its_present_state(world: World) -> None:
    seller = await world.someone()
    first = await seller.http.post("/api/tickets", json=TICKET, headers=KEY)
    await seller.http.put(f"/api/tickets/{first.json()['id']}", json={**TICKET, "price": 20})
    again = await seller.http.post("/api/tickets", json=TICKET, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["id"], again.json()["price"]) == (first.json()["id"], 20)


async def test_a_key_with_another_body_is_a_conflict(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    await seller.http.post("/api/tickets", json=TICKET, headers=KEY)
    assert (await seller.http.post("/api/tickets", json={**TICKET, "price": 1}, headers=KEY)).status_code == 409
    tickets = [await seller.lists(), await seller.lists()]
    ordered = [await buyer.http.post("/api/orders", json={"ticketId": it["id"]}, headers=KEY) for it in tickets]
    assert [response.status_code for response in ordered] == [201, 409]
    assert (await buyer.pays(ordered[0].json(), "pm_card_visa", **KEY)).status_code == 201
    assert (await buyer.pays(ordered[0].json(), "pm_another", **KEY)).status_code == 409


async def test_the_order_of_names_and_the_notation_of_the_price_do_not_make_another_body(world: World) -> None:
    seller = await world.someone()
    await seller.http.post("/api/tickets", json=TICKET, headers=KEY)
    again = await seller.http.post("/api/tickets", json={"price": "12.50", "title": TICKET["title"]}, headers=KEY)
    assert again.status_code == 200


async def test_keys_belong_to_a_user_and_a_route(world: World) -> None:
    one, two = await world.someone(), await world.someone()
    first = await one.http.post("/api/tickets", json=TICKET, headers=KEY)
    second = await two.http.post("/api/tickets", json=TICKET, headers=KEY)
    ordered = await two.http.post("/api/orders", json={"ticketId": first.json()["id"]}, headers=KEY)
    assert [response.status_code for response in (first, second, ordered)] == [201, 201, 201]
    assert len({response.json()["id"] for response in (first, second, ordered)}) == 3


async def test_simultaneous_repeats_are_one_order(world: World) -> None:
    ticket, buyer = await (await world.someone()).lists(), await world.someone()
    body = {"ticketId": ticket["id"]}
    responses = await asyncio.gather(*(buyer.http.post("/api/orders", json=body, headers=KEY) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200, 200, 200, 200, 201]
    assert len({response.text for response in responses}) == 1


async def test_a_repeated_order_that_is_over_is_not_revived(world: World) -> None:
    ticket, buyer = await (await world.someone()).lists(), await world.someone()
    body = {"ticketId": ticket["id"]}
    order = (await buyer.http.post("/api/orders", json=body, headers=KEY)).json()
    await buyer.http.delete(f"/api/orders/{order['id']}")
    again = await buyer.http.post("/api/orders", json=body, headers=KEY)
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["status"]) == (order["id"], "cancelled")
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"


async def test_refusals_are_not_replayed(world: World) -> None:
    _, first, ticket, order = await world.held()
    second = await world.someone()
    body = {"ticketId": ticket["id"]}
    assert (await second.http.post("/api/orders", json=body, headers=KEY)).status_code == 409
    await first.http.delete(f"/api/orders/{order['id']}")
    assert (await second.http.post("/api/orders", json=body, headers=KEY)).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "\x00", "a\tb", "\xe9"])
async def test_a_key_is_printable_and_not_too_long(world: World, key: str) -> None:
    seller = await world.someone()
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    response = await seller.http.post("/api/tickets", json=TICKET, headers=headers)
    assert response.status_code == 400
    assert fields(response) == {"Idempotency-Key"}


async def test_a_payment_repeated_with_its_key_is_the_same_charge(world: World) -> None:
    _, buyer, _, order = await world.held()
    responses = [await buyer.pays(order, "pm_card_visa", **KEY) for _ in range(2)]
    assert [response.status_code for response in responses] == [201, 200]
