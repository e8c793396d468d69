"""A repeat of a request has the digest of the first one, whichever releases answer the two."""

from typing import Any

import pytest
from pydantic import Field, create_model

from serve_app.http.idempotency import digest_of
from serve_app.schemas.body import Body, Rules
from serve_app.schemas.orders import OrderBody
from serve_app.schemas.payments import PaymentBody
from serve_app.schemas.tickets import TicketBody
from serve_app.schemas.users import SignUp

RULES = Rules(now=1_790_000_000_000, currency="usd", password_min_length=8)
PLAY = {
    "currency": "usd",
    "description": "Row one",
    "category": "other",
    "venue": "Old Hall",
    "city": "Linz",
    "startsAt": "2027-01-01T19:00:00Z",
}
TICKET = {"title": "Hamlet", "price": 12.5}
ORDER = {"ticketId": "a" * 24}
PAYMENT = {"orderId": "b" * 24}

# What the first release made of these bodies.
FIRST_RELEASE = [
    (TicketBody, TICKET, "1addf4343e36563f403fbef982ad6247"),
    (TicketBody, TICKET | PLAY, "6da48e82c909f5878c04bc416efb6922"),
    (OrderBody, ORDER, "96ae10dc222f610705e8b96579d34582"),
    (OrderBody, ORDER | {"expectedPrice": 12.5}, "ba7cc2a438668c9912a66758dea1eb76"),
    (PaymentBody, PAYMENT | {"paymentMethod": "pm_card_visa"}, "75fe92d2589a1c813a4db2498a7841b4"),
    (PaymentBody, PAYMENT | {"token": "tok_visa"}, "35f286e4bed7b31a413f54c135fe664f"),
    (SignUp, {"email": "ann@example.org", "password": "correct horse battery"}, "d737dd064e208441c54774bafd02c772"),
]


@pytest.mark.parametrize(("model", "body", "digest"), FIRST_RELEASE)
def test_digest_of_a_body_of_the_first_release_is_still_the_same(
    model: type[Body], body: dict[str, Any], digest: str
) -> None:
    assert digest_of(model.of(body, RULES)) == digest


@pytest.mark.parametrize(("model", "body", "digest"), FIRST_RELEASE)
@pytest.mark.parametrize("default", [None, False, "any"])
def test_new_optional_field_at_its_default_changes_no_digest(
    model: type[Body], body: dict[str, Any], digest: str, default: object
) -> None:
    newer = create_model("Newer", __base__=model, added=(Any, Field(default=default)))
    assert digest_of(newer.of(body, RULES)) == digest
    assert digest_of(newer.of({**body, "added": default}, RULES)) == digest
    assert digest_of(newer.of({**body, "added": "something"}, RULES)) != digest


@pytest.mark.parametrize(
    ("model", "body", "more"),
    [
        (TicketBody, TICKET, {"seat": "12"}),
        (TicketBody, TICKET, {"faceValue": 0}),
        (OrderBody, ORDER, {"expectedVersion": 1}),
        (PaymentBody, PAYMENT, {"confirmationToken": "ctoken_1"}),
    ],
)
def test_a_field_of_a_later_release_that_is_set_changes_the_digest(
    model: type[Body], body: dict[str, Any], more: dict[str, Any]
) -> None:
    assert digest_of(model.of(body | more, RULES)) != digest_of(model.of(body, RULES))
