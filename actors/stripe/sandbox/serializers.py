"""Stripe's JSON."""

import json
from typing import Any

from actors.stripe.sandbox.cards import CARDS
from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import Answer, Dispute, PaymentIntent, Refund

OK = 200

Shape = dict[str, Any]


def answer_of(outcome: Outcome) -> Answer:
    """What the caller of an operation is told."""
    if outcome.failure:
        return failure_answer(outcome.failure, outcome.intent)
    return object_answer(part_shape(outcome.part, outcome.intent) if outcome.part else intent_shape(outcome.intent))


def object_answer(shape: Shape) -> Answer:
    """An object: 200."""
    return Answer(OK, json.dumps(shape))


def failure_answer(failure: Failure, intent: PaymentIntent | None = None) -> Answer:
    """A failure with the intent that it is about."""
    error = _error(failure)
    if intent:
        error["payment_intent"] = intent_shape(intent)
    return Answer(failure.status, json.dumps({"error": error}))


def _error(failure: Failure) -> Shape:
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


def intent_shape(intent: PaymentIntent) -> Shape:
    """https://docs.stripe.com/api/payment_intents/object, without the fields that do not concern cards."""
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


def _next_action(intent: PaymentIntent) -> Shape | None:
    if intent.status != "requires_action" or intent.card is None:
        return None
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect", "directory_server": CARDS[intent.card].brand},
    }


def part_shape(part: Refund | Dispute, intent: PaymentIntent) -> Shape:
    """A refund (https://docs.stripe.com/api/refunds/object) or a dispute (…/api/disputes/object)."""
    shape: Shape = {
        "id": part.id,
        "amount": part.amount,
        "charge": intent.latest_charge,
        "created": part.created,
        "currency": intent.currency,
        "metadata": {},
        "payment_intent": intent.id,
        "status": part.status,
    }
    if isinstance(part, Dispute):
        return {
            **shape,
            "object": "dispute",
            "is_charge_refundable": part.status == "won",
            "livemode": False,
            "reason": "fraudulent",
        }
    # Stripe leaves failure_reason out of a refund that has not failed.
    failure = {"failure_reason": part.failure_reason} if part.failure_reason else {}
    return {**shape, **failure, "object": "refund", "reason": None}


def charge_shape(intent: PaymentIntent) -> Shape:
    """The latest charge of an intent (https://docs.stripe.com/api/charges/object)."""
    return {
        "id": intent.latest_charge,
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": intent.amount_received,
        "amount_refunded": intent.amount_refunded,
        "captured": intent.status == "succeeded",
        "created": intent.created,
        "currency": intent.currency,
        "disputed": bool(intent.disputes),
        "livemode": False,
        "metadata": dict(intent.metadata),
        "paid": True,
        "payment_intent": intent.id,
        "refunded": intent.amount_refundable == 0,
        "status": "succeeded",
    }
