"""What a browser does with the client secret of an intent, as Stripe.js does: with the publishable key."""

import pytest

from actors.stripe import Stripe
from tests.stripe.wire import Received, Wire

INTENTS = "/v1/payment_intents"


async def declined(wire: Wire) -> tuple[str, str]:
    """The id and the client secret of an intent whose card was declined."""
    intent_id = await wire.intent(payment_method="pm_card_chargeDeclined")
    answer = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    return intent_id, answer.body["error"]["payment_intent"]["client_secret"]


async def browser(wire: Wire, intent_id: str, secret: str, card: str = "pm_card_visa") -> Received:
    """Stripe.js confirms an intent with another card: its key is a field of the form."""
    fields = {"key": "pk_test_x", "client_secret": secret, "payment_method": card}
    return await wire.post(f"{INTENTS}/{intent_id}/confirm", fields, authorization="")


async def test_a_browser_pays_a_declined_intent_with_another_card(stripe: Stripe, wire: Wire) -> None:
    intent_id, secret = await declined(wire)
    answer = await browser(wire, intent_id, secret)
    assert (answer.status, answer.body["status"]) == (200, "requires_capture")
    assert (await stripe.retrieve(intent_id)).status == "requires_capture"


async def test_a_browser_pays_with_another_card_while_the_bank_asks_about_the_first(wire: Wire) -> None:
    intent_id = await wire.intent(payment_method="pm_card_authenticationRequired")
    asked = await wire.post(f"{INTENTS}/{intent_id}/confirm", {})
    answer = await browser(wire, intent_id, asked.body["client_secret"])
    assert answer.body["status"] == "requires_capture"


@pytest.mark.parametrize("change", ["x", "é"])
async def test_another_client_secret_confirms_nothing(stripe: Stripe, wire: Wire, change: str) -> None:
    intent_id, secret = await declined(wire)
    refused = await browser(wire, intent_id, secret + change)
    assert (refused.status, refused.body["error"]["param"]) == (400, "client_secret")
    assert secret not in str(refused.body)
    assert (await stripe.retrieve(intent_id)).status == "requires_payment_method"


async def test_a_publishable_key_without_a_client_secret_confirms_nothing(wire: Wire) -> None:
    intent_id, _ = await declined(wire)
    refused = await wire.post(f"{INTENTS}/{intent_id}/confirm", {"key": "pk_test_x"}, authorization="")
    assert (refused.status, refused.body["error"]["code"]) == (401, "secret_key_required")


@pytest.mark.parametrize("action", ["capture", "cancel"])
async def test_a_publishable_key_neither_takes_money_nor_lets_it_go(wire: Wire, action: str) -> None:
    intent_id, secret = await declined(wire)
    await browser(wire, intent_id, secret)
    refused = await wire.post(f"{INTENTS}/{intent_id}/{action}", {}, authorization="Bearer pk_test_x")
    assert (refused.status, refused.body["error"]["code"]) == (401, "secret_key_required")


async def test_a_key_that_is_not_of_the_sandbox_confirms_nothing(wire: Wire) -> None:
    intent_id, secret = await declined(wire)
    fields = {"key": "pk_live_x", "client_secret": secret}
    refused = await wire.post(f"{INTENTS}/{intent_id}/confirm", fields, authorization="")
    assert refused.status == 401


async def test_a_browser_confirms_no_intent_that_was_cancelled_or_holds_its_money(stripe: Stripe, wire: Wire) -> None:
    intent_id, secret = await declined(wire)
    await browser(wire, intent_id, secret)
    again = await browser(wire, intent_id, secret)
    assert (again.status, again.body["error"]["code"]) == (400, "payment_intent_unexpected_state")
    await stripe.cancel(intent_id, idempotency_key="cancel")
    late = await browser(wire, intent_id, secret)
    assert (late.status, late.body["error"]["code"]) == (400, "payment_intent_unexpected_state")
    assert (await stripe.retrieve(intent_id)).status == "canceled"
