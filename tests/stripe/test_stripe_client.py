"""Our client over the real SDK and the sandbox."""

import pytest

from actors.stripe import Intent, Stripe
from actors.stripe.errors import (
    CardDeclined,
    InvalidState,
    KeyReused,
    NotFound,
    Rejected,
    UnknownPaymentMethod,
)


async def intent(stripe: Stripe, payment_method: str = "pm_card_visa", key: str = "create") -> Intent:
    return await stripe.create_intent(
        amount=5000,
        currency="usd",
        payment_method=payment_method,
        metadata={"orderId": "1", "chargeId": "2"},
        idempotency_key=key,
    )


async def held(stripe: Stripe, key: str = "held") -> Intent:
    made = await intent(stripe, key=f"{key}:create")
    return await stripe.confirm(made.id, idempotency_key=f"{key}:confirm")


async def captured(stripe: Stripe, amount: int = 5000) -> Intent:
    made = await held(stripe)
    return await stripe.capture(made.id, amount=amount, idempotency_key="capture")


async def test_a_new_intent_has_charged_nothing(stripe: Stripe) -> None:
    made = await intent(stripe)
    assert made.id.startswith("pi_")
    assert (made.status, made.amount, made.currency) == ("requires_confirmation", 5000, "usd")
    assert (made.amount_received, made.latest_charge) == (0, None)


@pytest.mark.parametrize(
    "payment_method", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "tok_visa", "tok_mastercard"]
)
async def test_a_good_card_is_held_and_then_captured(stripe: Stripe, payment_method: str) -> None:
    made = await intent(stripe, payment_method)
    confirmed = await stripe.confirm(made.id, idempotency_key="confirm")
    assert (confirmed.status, confirmed.amount_received) == ("requires_capture", 0)
    taken = await stripe.capture(made.id, amount=5000, idempotency_key="capture")
    assert (taken.status, taken.amount_received) == ("succeeded", 5000)
    assert taken.latest_charge is not None
    assert taken.latest_charge.startswith("ch_")
    assert await stripe.retrieve(made.id) == taken


@pytest.mark.parametrize(
    ("payment_method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("tok_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("tok_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("tok_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_declined_card_says_why(
    stripe: Stripe, payment_method: str, code: str, decline_code: str | None
) -> None:
    made = await intent(stripe, payment_method)
    with pytest.raises(CardDeclined) as declined:
        await stripe.confirm(made.id, idempotency_key="confirm")
    assert (declined.value.code, declined.value.decline_code) == (code, decline_code)
    assert declined.value.definite


async def test_a_decline_can_be_read_from_the_intent_later(stripe: Stripe) -> None:
    made = await intent(stripe, "pm_card_chargeDeclinedInsufficientFunds")
    with pytest.raises(CardDeclined):
        await stripe.confirm(made.id, idempotency_key="confirm")
    found = await stripe.retrieve(made.id)
    assert found.status == "requires_payment_method"
    assert (found.error_code, found.decline_code) == ("card_declined", "insufficient_funds")


async def test_a_decline_without_a_decline_code_can_be_read_later_too(stripe: Stripe) -> None:
    made = await intent(stripe, "pm_card_chargeDeclinedExpiredCard")
    with pytest.raises(CardDeclined):
        await stripe.confirm(made.id, idempotency_key="confirm")
    found = await stripe.retrieve(made.id)
    assert (found.error_code, found.decline_code) == ("expired_card", None)


async def test_a_card_that_needs_3d_secure_leaves_the_intent_waiting_for_the_buyer(stripe: Stripe) -> None:
    made = await intent(stripe, "pm_card_authenticationRequired")
    confirmed = await stripe.confirm(made.id, idempotency_key="confirm")
    assert confirmed.status == "requires_action"
    assert confirmed.client_secret == made.client_secret
    assert confirmed.client_secret is not None
    assert confirmed.client_secret.startswith(f"{made.id}_secret_")


@pytest.mark.parametrize("payment_method", ["pm_card_nonsense", "tok_nonsense", "pm_1NotOurs", "4242424242424242"])
async def test_an_unknown_payment_method_is_refused_without_being_repeated(stripe: Stripe, payment_method: str) -> None:
    with pytest.raises(UnknownPaymentMethod) as refused:
        await intent(stripe, payment_method)
    assert payment_method not in repr(refused.value)
    assert refused.value.definite


async def test_a_hold_can_be_cancelled_and_then_not_captured(stripe: Stripe) -> None:
    made = await held(stripe)
    assert (await stripe.cancel(made.id, idempotency_key="cancel")).status == "canceled"
    with pytest.raises(InvalidState) as refused:
        await stripe.capture(made.id, amount=5000, idempotency_key="capture")
    assert refused.value.code == "payment_intent_unexpected_state"


async def test_a_captured_intent_cannot_be_cancelled(stripe: Stripe) -> None:
    made = await captured(stripe)
    with pytest.raises(InvalidState):
        await stripe.cancel(made.id, idempotency_key="cancel")


async def test_a_partial_capture_lets_go_of_the_rest(stripe: Stripe) -> None:
    assert (await captured(stripe, amount=2000)).amount_received == 2000


async def test_no_more_than_the_held_amount_can_be_captured(stripe: Stripe) -> None:
    made = await held(stripe)
    with pytest.raises(Rejected) as refused:
        await stripe.capture(made.id, amount=5001, idempotency_key="capture")
    assert refused.value.code == "amount_too_large"


async def test_captured_money_can_be_refunded(stripe: Stripe) -> None:
    made = await captured(stripe)
    refund = await stripe.refund(made.id, amount=5000, idempotency_key="refund")
    assert refund.id.startswith("re_")
    assert (refund.status, refund.amount, refund.currency) == ("succeeded", 5000, "usd")


async def test_no_more_than_was_captured_can_be_refunded(stripe: Stripe) -> None:
    made = await captured(stripe, amount=2000)
    await stripe.refund(made.id, amount=1500, idempotency_key="refund:1")
    with pytest.raises(Rejected):
        await stripe.refund(made.id, amount=501, idempotency_key="refund:2")
    await stripe.refund(made.id, amount=500, idempotency_key="refund:3")
    with pytest.raises(InvalidState) as refused:
        await stripe.refund(made.id, amount=1, idempotency_key="refund:4")
    assert refused.value.code == "charge_already_refunded"


async def test_money_that_is_only_held_cannot_be_refunded(stripe: Stripe) -> None:
    made = await held(stripe)
    with pytest.raises(InvalidState):
        await stripe.refund(made.id, amount=5000, idempotency_key="refund")


async def test_an_unknown_intent_is_not_found(stripe: Stripe) -> None:
    with pytest.raises(NotFound):
        await stripe.retrieve("pi_missing")
    with pytest.raises(NotFound):
        await stripe.confirm("pi_missing", idempotency_key="confirm")
    with pytest.raises(NotFound):
        await stripe.refund("pi_missing", amount=1, idempotency_key="refund")


async def test_a_repeat_under_the_same_key_returns_the_same_intent(stripe: Stripe) -> None:
    assert await intent(stripe) == await intent(stripe)


async def test_a_key_that_was_used_for_something_else_is_refused(stripe: Stripe) -> None:
    await intent(stripe, "pm_card_visa")
    with pytest.raises(KeyReused) as refused:
        await intent(stripe, "pm_card_mastercard")
    assert refused.value.definite


async def test_an_intents_repr_keeps_the_client_secret(stripe: Stripe) -> None:
    made = await intent(stripe)
    assert made.client_secret is not None
    assert "secret" not in repr(made)
