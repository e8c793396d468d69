"""Nobody buys or overwrites what they did not see; an order says what was bought as it was when it was held."""

import pytest

from tests.api.world import TICKET, World, errors, fields

SEAT = {
    "venue": "Concert hall",
    "city": "Vienna",
    "startsAt": "2090-05-01T17:30:00.000Z",
    "timezone": "Europe/Vienna",
    "section": "Stalls",
    "row": "4",
    "seat": "12A",
    "restrictions": "18 or older",
    "faceValue": 30.0,
}


async def test_a_ticket_that_was_edited_since_the_version_that_a_buyer_saw_is_refused(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    seen = await seller.lists()
    await seller.http.put(f"/api/tickets/{seen['id']}", json={**TICKET, "title": "Hamlet, restricted view"})
    wish = {"ticketId": seen["id"], "expectedPrice": seen["price"], "expectedVersion": seen["version"]}
    response = await buyer.http.post("/api/orders", json=wish)
    assert (response.status_code, fields(response)) == (409, {"expectedVersion"})
    now = (await buyer.http.get(f"/api/tickets/{seen['id']}")).json()
    assert (await buyer.http.post("/api/orders", json={**wish, "expectedVersion": now["version"]})).status_code == 201


async def test_holds_by_others_meanwhile_do_not_matter_to_a_buyer_or_the_seller(world: World) -> None:
    seller, buyer, seen, order = await world.held()
    await buyer.http.delete(f"/api/orders/{order['id']}")
    await buyer.orders(seen, expectedVersion=1)
    await buyer.http.delete(f"/api/orders/{(await buyer.http.get('/api/orders')).json()[0]['id']}")
    response = await seller.http.put(
        f"/api/tickets/{seen['id']}", json=TICKET | {"title": "A"}, headers={"If-Match": '"1"'}
    )
    assert response.status_code == 200


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", True, 2**60])
async def test_an_expected_version_is_a_whole_number(world: World, version: object) -> None:
    _, buyer, ticket, _ = await world.held()
    response = await buyer.http.post("/api/orders", json={"ticketId": ticket["id"], "expectedVersion": version})
    assert (response.status_code, fields(response)) == (400, {"expectedVersion"})


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"9", W/"1"', "*"])
async def test_an_edit_of_the_version_that_was_read_is_accepted(world: World, tag: str) -> None:
    seller = await world.someone()
    ticket = await seller.lists()
    response = await seller.http.put(f"/api/tickets/{ticket['id']}", json=TICKET, headers={"If-Match": tag})
    assert (response.status_code, response.headers["etag"]) == (200, '"1"')


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"9"', '"another"', '"1", "3"'])
async def test_an_edit_of_an_outdated_version_is_412(world: World, tag: str) -> None:
    seller = await world.someone()
    ticket = await seller.lists()
    address = f"/api/tickets/{ticket['id']}"
    await seller.http.put(address, json={**TICKET, "title": "Macbeth"})
    response = await seller.http.put(address, json=TICKET, headers={"If-Match": tag})
    assert response.status_code == 412
    assert errors(response)
    assert (await seller.http.get(address)).json()["title"] == "Macbeth"


@pytest.mark.parametrize("tag", ["1", '"1', 'w/"1"', '"1" "2"', '"1",', "", '*, "1"'])
async def test_a_malformed_if_match_is_400(world: World, tag: str) -> None:
    seller = await world.someone()
    ticket = await seller.lists()
    response = await seller.http.put(f"/api/tickets/{ticket['id']}", json=TICKET, headers={"If-Match": tag})
    assert (response.status_code, fields(response)) == (400, {"If-Match"})


async def test_the_precondition_comes_after_ownership_and_before_the_state(world: World) -> None:
    seller, buyer, ticket, _ = await world.held()
    address, old = f"/api/tickets/{ticket['id']}", {"If-Match": '"99"'}
    assert (await buyer.http.put(address, json=TICKET, headers=old)).status_code == 403
    assert (await seller.http.put(address, json=TICKET, headers=old)).status_code == 412
    assert (await seller.http.put(address, json=TICKET, headers={"If-Match": '"1"'})).status_code == 409


async def test_a_ticket_is_not_sent_again_to_a_client_with_this_version(world: World) -> None:
    seller, _, ticket, _ = await world.held()
    address = f"/api/tickets/{ticket['id']}"
    seen = await seller.http.get(address)
    assert seen.headers["etag"] == f'"{seen.json()["version"]}"'
    for tag in (seen.headers["etag"], f"W/{seen.headers['etag']}", "*"):
        again = await seller.http.get(address, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", seen.headers["etag"])
    assert (await seller.http.get(address, headers={"If-None-Match": '"1"'})).status_code == 200


async def test_an_order_says_what_was_bought_as_it_was_when_it_was_held(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(**SEAT)
    order = await buyer.orders(ticket)
    bought = {"id": ticket["id"], "title": ticket["title"], "price": ticket["price"], **SEAT}
    assert order["ticket"] == bought
    await buyer.http.delete(f"/api/orders/{order['id']}")
    await seller.http.put(f"/api/tickets/{ticket['id']}", json=TICKET)
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["ticket"] == bought


async def test_a_ticket_says_until_when_it_is_held_while_it_is_held(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    address = f"/api/tickets/{ticket['id']}"
    assert (await buyer.http.get(address)).json()["heldUntil"] == order["expiresAt"]
    await buyer.pays(order)
    assert "heldUntil" not in (await buyer.http.get(address)).json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Vienna"), ("timezone", "../etc/passwd"), ("timezone", ""), ("timezone", 1),
        ("section", "x" * 51), ("row", "\x00"), ("seat", 12), ("restrictions", "x" * 1_001),
        ("faceValue", -0.01), ("faceValue", 1.005), ("faceValue", 1_000_000), ("faceValue", True),
    ],
)  # fmt: skip
async def test_a_wrong_seat_zone_or_face_value_is_named(world: World, field: str, value: object) -> None:
    seller = await world.someone()
    response = await seller.http.post("/api/tickets", json={**TICKET, field: value})
    assert (response.status_code, fields(response)) == (400, {field})


async def test_a_ticket_may_have_been_free(world: World) -> None:
    assert (await (await world.someone()).lists(faceValue=0))["faceValue"] == 0


async def test_a_ticket_that_was_listed_and_held_can_be_read_and_sent_back_whole(world: World) -> None:
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(**SEAT)
    order = await buyer.orders(ticket)
    held = (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()
    await buyer.http.delete(f"/api/orders/{order['id']}")
    again = await seller.http.put(f"/api/tickets/{ticket['id']}", json={**held, "title": "Macbeth"})
    assert again.status_code == 200
    assert {name: again.json()[name] for name in SEAT} == SEAT
