"""Stripe's JSON (https://docs.stripe.com/api/payment_intents/object), without the fields that do not concern cards."""

import json
from typing import Any

from actors.stripe.sandbox.cards import CARDS
from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import Answer, PaymentIntent, Refund

OK = 200


def answer_of(outcome: Outcome) -> Answer:
    """What the caller of an operation is told."""
    if outcome.failure:
        return failure_answer(outcome.failure, outcome.intent)
    if outcome.refund:
        return refund_answer(outcome.refund, outcome.intent)
    return intent_answer(outcome.intent)


def intent_answer(intent: PaymentIntent) -> Answer:
    """An intent: 200."""
    return Answer(OK, json.dumps(_intent(intent)))


def refund_answer(refund: Refund, intent: PaymentIntent) -> Answer:
    """A refund: 200."""
    shape = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": intent.latest_charge,
        "created": refund.created,
        "currency": intent.currency,
        "metadata": {},
        "payment_intent": intent.id,
        "reason": None,
        "status": "succeeded",
    }
    return Answer(OK, json.dumps(shape))


def failure_answer(failure: Failure, intent: PaymentIntent | None = None) -> Answer:
    """A failure with the intent that it is about."""
    error = _error(failure)
    if intent:
        error["payment_intent"] = _intent(intent)
    return Answer(failure.status, json.dumps({"error": error}))


def _error(failure: Failure) -> dict[str, Any]:
    fields = {
        "charge": failure.charge,
        "code": failure.code,
        "decline_code": failure.decline_code,
        "doc_url": f"https://docs.stripe.com/error-codes#{failure.code}" if failure.code else None,
        "message": failure.message,
        "param": failure.param,
        "type": failure.type,
    }
    # Stripe leaves out what does not apply; it sends no nulls in errors.
    return {name: value for name, value in fields.items() if value is not None}


def _intent(intent: PaymentIntent) -> dict[str, Any]:
    return {
        "id": intent.id,
        "object": "payment_intent",
        "allowed_payment_method_types": ["card"],
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_received": intent.amount_received,
        "automatic_payment_methods": None,
        "canceled_at": intent.canceled_at,
        "cancellation_reason": None,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": intent.created,
        "currency": intent.currency,
        "customer": None,
        "description": None,
        "last_payment_error": _error(intent.last_payment_error) if intent.last_payment_error else None,
        "latest_charge": intent.latest_charge,
        "livemode": False,
        "metadata": dict(intent.metadata),
        "next_action": _next_action(intent),
        "payment_method": intent.payment_method,
        "payment_method_types": ["card"],
        "processing": None,
        "status": intent.status,
    }


def _next_action(intent: PaymentIntent) -> dict[str, Any] | None:
    if intent.status != "requires_action" or intent.card is None:
        return None
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect", "directory_server": CARDS[intent.card].brand},
    }
