import asyncio
from collections import Counter

import pytest

from actors.domain.charge_values import ChargeStatus
from tests.api.fake_market import DECLINED, SLOW, UNKNOWN, WANTS_3DS
from tests.api.world import NOBODY, World, errors, fields


async def test_a_paid_order_is_complete_and_its_ticket_sold(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    response = await buyer.pays(order)
    assert response.status_code == 201
    charge = response.json()
    assert charge == {**charge, "status": "completed", "orderId": order["id"]}
    assert set(charge) == {"id", "status", "orderId", "stripeId"}
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "complete"
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "sold"


async def test_a_token_pays_as_well(world: World) -> None:
    _, buyer, _, order = await world.held()
    response = await buyer.http.post("/api/payments", json={"orderId": order["id"], "token": "tok_visa"})
    assert response.status_code == 201


async def test_a_confirmation_token_pays_as_well(world: World) -> None:
    _, buyer, _, order = await world.held()
    body = {"orderId": order["id"], "confirmationToken": "ctoken_1NnQUf2eZvKYlo2C"}
    assert (await buyer.http.post("/api/payments", json=body)).status_code == 201


async def test_without_anything_to_pay_with_the_payment_goes_on_that_the_bank_asks_about(world: World) -> None:
    _, buyer, _, order = await world.held()
    asked = await buyer.pays(order, WANTS_3DS)
    again = await buyer.http.post("/api/payments", json={"orderId": order["id"]})
    assert (again.status_code, again.json()) == (202, asked.json())


async def test_without_anything_to_pay_with_an_order_that_no_bank_asks_about_is_left_alone(world: World) -> None:
    _, buyer, _, order = await world.held()
    for body in ({"orderId": order["id"]}, {"orderId": order["id"], "paymentMethod": None}):
        response = await buyer.http.post("/api/payments", json=body)
        assert (response.status_code, fields(response)) == (400, {"paymentMethod"})
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "created"


async def test_another_card_while_an_answer_is_on_its_way_is_a_conflict(world: World) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order, SLOW)
    response = await buyer.pays(order, "pm_another")
    assert (response.status_code, fields(response)) == (409, {"paymentMethod"})


async def test_paying_again_answers_with_the_same_charge(world: World) -> None:
    _, buyer, _, order = await world.held()
    first, again = await buyer.pays(order), await buyer.pays(order, "pm_another")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_ten_simultaneous_payments_are_one_charge(world: World) -> None:
    _, buyer, _, order = await world.held()
    responses = await asyncio.gather(*(buyer.pays(order) for _ in range(10)))
    assert Counter(response.status_code for response in responses) == {201: 1, 200: 9}
    assert len({response.text for response in responses}) == 1


async def test_a_card_that_wants_3d_secure_gets_a_client_secret(world: World) -> None:
    _, buyer, _, order = await world.held()
    response = await buyer.pays(order, WANTS_3DS)
    assert response.status_code == 202
    assert set(response.json()) == {"id", "status", "orderId", "clientSecret"}


async def test_an_unknown_outcome_is_accepted_without_a_secret(world: World) -> None:
    _, buyer, _, order = await world.held()
    response = await buyer.pays(order, SLOW)
    assert response.status_code == 202
    assert set(response.json()) == {"id", "status", "orderId"}
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "awaiting:payment"


async def test_a_declined_card_cancels_the_order(world: World) -> None:
    _, buyer, ticket, order = await world.held()
    response = await buyer.pays(order, DECLINED)
    assert response.status_code == 402
    assert "cancelled" in errors(response)[0]["message"]
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["cancelReason"] == "declined"
    assert (await buyer.http.get(f"/api/tickets/{ticket['id']}")).json()["status"] == "available"
    assert (await buyer.pays(order)).status_code == 409


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        ("expired_card", "has expired"),
        ("insufficient_funds", "insufficient funds"),
        ("rejected", "enter it again"),
        ("stolen_card", "The payment was declined. The order is cancelled"),
    ],
)
async def test_a_buyer_hears_why_a_card_does_not_pay_if_they_can_do_something_about_it(
    world: World, failure: str, says: str
) -> None:
    world.market.failure = failure
    _, buyer, _, order = await world.held()
    response = await buyer.pays(order, DECLINED)
    assert response.status_code == 402
    assert says in errors(response)[0]["message"]


async def test_a_declined_card_may_be_followed_by_another_when_attempts_are_left(world: World) -> None:
    world.market.attempts = 2
    _, buyer, _, order = await world.held()
    response = await buyer.pays(order, DECLINED)
    assert response.status_code == 402
    assert "try again" in errors(response)[0]["message"]


async def test_an_unknown_payment_method_leaves_the_order_alone(world: World) -> None:
    _, buyer, _, order = await world.held()
    response = await buyer.pays(order, UNKNOWN)
    assert response.status_code == 400
    assert fields(response) == {"paymentMethod"}
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "created"


async def test_orders_that_are_over_cannot_be_paid_and_say_why(world: World) -> None:
    _, buyer, _, cancelled = await world.held()
    await buyer.http.delete(f"/api/orders/{cancelled['id']}")
    _, late, _, expired = await world.held()
    world.clock.advance(901)
    for person, order, reason in ((buyer, cancelled, "You cancelled"), (late, expired, "time to pay")):
        response = await person.pays(order)
        assert response.status_code == 409
        assert reason in errors(response)[0]["message"]


@pytest.mark.parametrize("status", [ChargeStatus.REFUNDED, ChargeStatus.VOIDED])
async def test_paying_with_a_refunded_charge_is_a_conflict(world: World, status: ChargeStatus) -> None:
    _, buyer, _, order = await world.held()
    await buyer.pays(order)
    world.market.settle(order["id"], status)
    assert (await buyer.pays(order)).status_code == 409


async def test_only_the_buyer_pays(world: World) -> None:
    seller, _, _, order = await world.held()
    assert (await world.anyone().pays(order)).status_code == 401
    assert (await seller.pays(order)).status_code == 403
    assert (await seller.pays({"id": NOBODY})).status_code == 404


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"orderId"}),
        ({"orderId": "no-id", "paymentMethod": 5}, {"orderId", "paymentMethod"}),
        ({"orderId": NOBODY, "paymentMethod": ""}, {"paymentMethod"}),
        ({"orderId": NOBODY, "paymentMethod": "pm_x", "token": "tok_x"}, {"token"}),
        ({"orderId": NOBODY, "paymentMethod": "pm_x", "confirmationToken": "ctoken_x"}, {"confirmationToken"}),
        ({"orderId": NOBODY, "token": "tok_x", "confirmationToken": "ctoken_x"}, {"confirmationToken"}),
        ({"orderId": NOBODY, "confirmationToken": "pm_x"}, {"confirmationToken"}),
        ({"orderId": NOBODY, "confirmationToken": "ctoken_../x"}, {"confirmationToken"}),
        ({"orderId": NOBODY, "paymentMethod": "4242424242424242"}, {"paymentMethod"}),
        ({"orderId": NOBODY, "paymentMethod": "pm_x\x00"}, {"paymentMethod"}),
        ({"orderId": NOBODY, "paymentMethod": "../x"}, {"paymentMethod"}),
        ({"orderId": NOBODY, "paymentMethod": "p" * 256}, {"paymentMethod"}),
        ({"orderId": NOBODY, "paymentMethod": "pm_x", "number": "4242424242424242"}, {"number"}),
        ({"orderId": NOBODY, "paymentMethod": "pm_x", "card": {"cvc": "123"}}, {"card"}),
        ({"orderId": NOBODY, "paymentMethod": "pm_x", "cvc": "123"}, {"cvc"}),
    ],
)
async def test_a_wrong_payment_is_refused(world: World, body: object, wrong: set[str]) -> None:
    response = await (await world.someone()).http.post("/api/payments", json=body)
    assert response.status_code == 400
    assert fields(response) == wrong
    assert "4242" not in response.text
