"""What the sandbox sends, as Stripe sends it."""

import pytest

from tests.stripe.wire import HELD, NOW, Wire

INTENTS = "/v1/payment_intents"
CREATE: dict[str, object] = {"amount": 5000, "currency": "usd", "payment_method": "pm_card_visa", **HELD}


async def test_an_intent_is_shaped_as_stripes(wire: Wire) -> None:
    made = await wire.post(INTENTS, {**CREATE, "metadata[orderId]": "1", "metadata[chargeId]": "2"})
    assert made.status == 200
    assert made.headers["request-id"].startswith("req_")
    assert made.body["object"] == "payment_intent"
    assert made.body["created"] == int(NOW)
    assert made.body["metadata"] == {"orderId": "1", "chargeId": "2"}
    assert made.body["payment_method"].startswith("pm_")
    assert made.body["payment_method_types"] == ["card"]
    assert made.body["livemode"] is False


async def test_a_hold_can_be_captured_up_to_its_amount(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa")
    held = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert (held.body["amount_capturable"], held.body["amount_received"]) == (5000, 0)
    taken = await wire.post(f"{INTENTS}/{intent_id}/capture", {"amount_to_capture": 4000})
    assert (taken.body["amount_capturable"], taken.body["amount_received"]) == (0, 4000)
    assert taken.body["latest_charge"] == held.body["latest_charge"]


async def test_a_decline_carries_the_intent_and_the_charge(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_chargeDeclined")
    declined = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert declined.status == 402
    assert declined.error["type"] == "card_error"
    assert declined.error["message"] == "Your card was declined."
    assert declined.error["charge"].startswith("ch_")
    intent = declined.error["payment_intent"]
    assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["decline_code"] == "generic_decline"
    assert intent["latest_charge"] == declined.error["charge"]


async def test_3d_secure_names_the_next_action(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_authenticationRequired")
    waiting = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert waiting.body["status"] == "requires_action"
    assert waiting.body["next_action"]["type"] == "use_stripe_sdk"


async def test_a_declined_intent_takes_another_card(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_chargeDeclined")
    await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    missing = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert (missing.status, missing.error["code"]) == (400, "payment_intent_unexpected_state")
    held = await wire.post(f"{INTENTS}/{intent_id}/confirm", {"payment_method": "pm_card_visa"})
    assert (held.body["status"], held.body["last_payment_error"]) == ("requires_capture", None)


async def test_an_intent_without_a_card_waits_for_one(wire: Wire) -> None:
    intent_id = await wire.intent()
    assert (await wire.get(f"{INTENTS}/{intent_id}")).body["status"] == "requires_payment_method"


async def test_automatic_capture_takes_the_money_when_it_is_confirmed(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa", capture_method="automatic")
    confirmed = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    assert (confirmed.body["status"], confirmed.body["amount_received"]) == ("succeeded", 5000)


@pytest.mark.parametrize("path", ["confirm", "capture", "cancel"])
async def test_nothing_happens_to_a_cancelled_intent(wire: Wire, path: str) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa")
    await wire.post(f"{INTENTS}/{intent_id}/cancel", {})
    refused = await wire.post(f"{INTENTS}/{intent_id}/{path}", {})
    assert (refused.status, refused.error["code"]) == (400, "payment_intent_unexpected_state")
    assert refused.error["payment_intent"]["status"] == "canceled"


@pytest.mark.parametrize("path", ["confirm", "capture", "cancel"])
async def test_nothing_happens_to_a_captured_intent(wire: Wire, path: str) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa", capture_method="automatic")
    await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    refused = await wire.post(f"{INTENTS}/{intent_id}/{path}", {})
    assert (refused.status, refused.error["code"]) == (400, "payment_intent_unexpected_state")


async def test_an_unconfirmed_intent_cannot_be_captured(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa")
    refused = await wire.post(f"{INTENTS}/{intent_id}/capture", {})
    assert (refused.status, refused.error["code"]) == (400, "payment_intent_unexpected_state")


async def test_a_refund_can_be_looked_up(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_visa", capture_method="automatic")
    await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    made = await wire.post("/v1/refunds", {"payment_intent": intent_id})
    assert (made.body["amount"], made.body["payment_intent"]) == (5000, intent_id)
    assert (await wire.get(f"/v1/refunds/{made.body['id']}")).body == made.body
    assert (await wire.get("/v1/refunds/re_missing")).status == 404


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"amount": "12.50"}, "parameter_invalid_integer", "amount"),
        ({"amount": ""}, "parameter_invalid_integer", "amount"),
        ({"currency": "xxx"}, None, "currency"),
        ({"currency": ""}, "parameter_missing", "currency"),
        ({"payment_method": "pm_card_nonsense"}, "resource_missing", "payment_method"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"payment_method_types[0]": "card"}, "payment_method_types_no_longer_supported", "payment_method_types"),
        ({"surprise": "x"}, "parameter_unknown", "surprise"),
    ],
)
async def test_a_request_that_stripe_would_refuse_is_refused(
    wire: Wire, change: dict[str, object], code: str | None, param: str
) -> None:
    refused = await wire.post(INTENTS, {**CREATE, **change})
    assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
    assert (refused.error.get("code"), refused.error["param"]) == (code, param)
    assert "nonsense" not in str(refused.body)


async def test_the_smallest_and_the_largest_amount_are_taken(wire: Wire) -> None:
    for amount in (50, 99_999_999):
        assert (await wire.post(INTENTS, {**CREATE, "amount": amount})).status == 200


@pytest.mark.parametrize("authorization", ["", "Basic sk_test_x", "Bearer ", "Bearer sk_live_x", "Bearer pk_test_x"])
async def test_a_request_without_a_secret_test_key_is_not_authenticated(wire: Wire, authorization: str) -> None:
    refused = await wire.post(INTENTS, CREATE, authorization=authorization)
    assert refused.status == 401
    assert refused.error["type"] == "invalid_request_error"


async def test_unknown_routes_are_not_found(wire: Wire) -> None:
    assert (await wire.get("/v1/nonsense")).status == 404
    assert (await wire.post("/v1/payment_intents/pi_1/nonsense", {})).status == 404
    assert (await wire.get(f"{INTENTS}/pi_missing")).error["code"] == "resource_missing"
