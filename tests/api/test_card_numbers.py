"""Card details never come this far; where somebody sends them anyway, they are refused and kept nowhere."""

import json
import logging
from typing import Any

import pytest
import structlog

from tests.api.world import JSON, World, errors

NUMBER = "4000056655665556"
METHOD = {"paymentMethod": "pm_card_visa"}
NAMED = ["number", "cardNumber", "card_number", "pan", "card", "cvc", "cvv", "expMonth", "exp_month", "expYear"]
GUESSED = [
    "exp_year",
    "cardnumber",
    "CardNumber",
    "ccNumber",
    "cc_number",
    "creditCard",
    "securityCode",
    "iban",
    "source",
]
NESTED: list[JSON] = [
    {"card": {"number": NUMBER, "cvc": "123", "expMonth": 12, "expYear": 2099}},
    {"paymentMethod": {"card": {"number": NUMBER}}},
    {"paymentMethod": {"type": "card", "card": {"number": NUMBER}}},
    {"paymentMethod": [NUMBER]},
    {"token": {"card": {"number": NUMBER}}},
    {"payment_method_data": {"type": "card", "card": {"number": NUMBER}}},
    {**METHOD, "billing": [{"card": [{"number": NUMBER}]}]},
]
VALUES: list[JSON] = [
    {"paymentMethod": NUMBER},
    {"paymentMethod": int(NUMBER)},
    {"paymentMethod": f"pm_{NUMBER[:4]} {NUMBER[4:]}", "number": NUMBER},
    {"token": NUMBER},
    {**METHOD, NUMBER: NUMBER},
    {**METHOD, "orderId": NUMBER},
]


@pytest.mark.parametrize(
    "body",
    [
        *({**METHOD, name: NUMBER} for name in NAMED + GUESSED),
        *({name: NUMBER} for name in NAMED + GUESSED),
        *({**METHOD, name: {"number": NUMBER}} for name in NAMED + GUESSED),
        *NESTED,
        *VALUES,
    ],
    ids=lambda body: json.dumps(body).replace(NUMBER, "N"),
)
async def test_card_details_are_refused_and_neither_repeated_nor_logged(
    world: World, body: JSON, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    _, buyer, _, order = await world.held()
    with structlog.testing.capture_logs() as logs:
        response = await buyer.http.post("/api/payments", json={"orderId": order["id"], **body})
    assert response.status_code == 400
    assert errors(response)
    assert NUMBER not in response.text + repr(response.headers)
    printed = capfd.readouterr()
    assert NUMBER not in caplog.text + repr(logs) + printed.out + printed.err
    assert (await buyer.http.get(f"/api/orders/{order['id']}")).json()["status"] == "created"


@pytest.mark.parametrize("name", NAMED)
async def test_a_request_with_a_card_is_told_where_it_belongs(world: World, name: str) -> None:
    _, buyer, _, order = await world.held()
    body: Any = {"orderId": order["id"], **METHOD, name: NUMBER}
    [error] = errors(await buyer.http.post("/api/payments", json=body))
    assert error["field"] == name
    assert "Stripe only" in error["message"]


async def test_a_card_in_broken_json_is_not_repeated_either(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    buyer = await world.someone()
    with structlog.testing.capture_logs() as logs:
        response = await buyer.http.post(
            "/api/payments", content=f'{{"number": "{NUMBER}"'.encode(), headers={"Content-Type": "application/json"}
        )
    assert response.status_code == 400
    assert NUMBER not in response.text + caplog.text + repr(logs)


async def test_nothing_that_is_kept_has_a_card_number(world: World) -> None:
    _, buyer, _, order = await world.held()
    for body in NESTED + VALUES:
        await buyer.http.post("/api/payments", json={"orderId": order["id"], **body})
    for collection in await world.database.list_collection_names():
        assert NUMBER not in repr(await world.database[collection].find({}).to_list())
