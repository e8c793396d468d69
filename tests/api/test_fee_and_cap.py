"""What the seller gets of a price, and prices that are limited by the face value."""

from decimal import Decimal

import pytest

from tests.api.world import JSON, World


def with_settings(world: World, **changes: object) -> World:
    """The market as it is with other settings."""
    return world.serving(settings=world.services.settings.model_copy(update=changes))


@pytest.fixture
def capped(world: World) -> World:
    return with_settings(world, resale_cap_percent=Decimal(110))


async def test_seller_sees_what_they_get_of_a_sale_and_the_fee_and_buyer_sees_the_price_alone(world: World) -> None:
    world.market.fee = 800
    seller, buyer = await world.someone(), await world.someone()
    ticket = await seller.lists(price=42.5)
    order = await buyer.orders(ticket)
    assert (await buyer.pays(order)).status_code == 201
    (listed,) = (await seller.http.get("/api/tickets?seller=me")).json()
    assert listed["sale"] == {
        "orderId": order["id"], "price": 42.5, "fee": 3.4, "sellerGets": 39.1, "currency": "usd",
    }  # fmt: skip
    past = (await seller.http.get(f"/api/tickets/{ticket['id']}/history")).json()
    assert {(entry["data"]["fee"], entry["data"]["sellerGets"]) for entry in past[1:]} == {(3.4, 39.1)}
    seen = (await buyer.http.get(f"/api/orders/{order['id']}")).json()
    assert seen["price"] == seen["ticket"]["price"] == 42.5
    assert not {"fee", "sellerGets"} & (seen.keys() | seen["ticket"].keys())


async def refused(world: World, **ticket: object) -> list[JSON]:
    response = await (await world.someone()).http.post("/api/tickets", json={"title": "Hamlet", **ticket})
    assert response.status_code == 400
    errors: list[JSON] = response.json()["errors"]
    return errors


async def test_price_above_the_cap_is_refused_with_the_highest_allowed(capped: World) -> None:
    assert await refused(capped, price=55.01, faceValue=50) == [
        {"message": "price must be at most 55.00, 110 % of the face value.", "field": "price"}
    ]


async def test_price_at_the_cap_is_listed(capped: World) -> None:
    assert (await (await capped.someone()).lists(price=55, faceValue=50))["price"] == 55


@pytest.mark.parametrize("given", [{}, {"faceValue": None}])
async def test_face_value_is_required_with_a_cap_and_all_wrong_fields_are_named(capped: World, given: JSON) -> None:
    errors = await refused(capped, price="much", **given)
    assert [error["field"] for error in errors] == ["price", "faceValue"]
    assert errors[1]["message"] == "faceValue is required: this market limits prices by it."


async def test_edit_above_the_cap_is_refused_and_changes_nothing(capped: World) -> None:
    seller = await capped.someone()
    ticket = await seller.lists(price=50, faceValue=50)
    edit = {"title": "Hamlet", "price": 60, "faceValue": 50}
    response = await seller.http.put(f"/api/tickets/{ticket['id']}", json=edit)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "price")
    assert (await seller.http.get(f"/api/tickets/{ticket['id']}")).json()["price"] == 50


async def test_without_a_cap_any_price_is_listed(world: World) -> None:
    seller = await world.someone()
    assert (await seller.lists(price=500, faceValue=50))["price"] == 500
    assert "faceValue" not in await seller.lists(price=500)
