"""Stripe's webhook events, verified (https://docs.stripe.com/webhooks#verify-official-libraries)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import stripe

TOLERANCE_SECONDS = 300  # the SDK's own; older and newer webhook events may be somebody's recording


class BadWebhookError(Exception):
    """What arrived is not a webhook event of Stripe for us; the text says which rule it breaks and nothing of it."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A webhook event: what kind of thing happened, and to which object.

    `intent_id` is the PaymentIntent that the object is or refers to; `order_id` and `charge_id` are ours, from the
    object's metadata. What a webhook event says of amounts and states is not here: it may be late, so ask Stripe.
    """

    id: str
    type: str
    created: int
    object_kind: str
    object_id: str
    intent_id: str | None
    order_id: str | None
    charge_id: str | None


def read_event(raw: bytes, signature: str | None, secret: str, now: float) -> WebhookEvent:
    """The event in a request's body, `signature` being its Stripe-Signature header and `now` seconds since 1970.

    Raises BadWebhookError for what was not signed with `secret` within 300 seconds of `now`, or is no event.
    """
    if signature is None or not _is_signed(raw, signature, secret):
        raise BadWebhookError("The signature is missing or wrong")
    if abs(int(now) - _signed_at(signature)) > TOLERANCE_SECONDS:
        raise BadWebhookError("The signature's time is too far from now")
    event = _event(_parsed(raw))
    if event is None:
        raise BadWebhookError("The body is not an event")
    return event


def sign(raw: bytes, secret: str, now: float) -> str:
    """The Stripe-Signature header for a body sent at `now`, seconds since 1970."""
    return str(stripe.WebhookSignature.generate_signature_header(raw.decode(), secret, int(now)))


def _is_signed(raw: bytes, signature: str, secret: str) -> bool:
    try:
        # No tolerance: the SDK would use the machine's clock, and accepts any time in the future.
        return bool(stripe.WebhookSignature.verify_header(raw, signature, secret))
    except (stripe.SignatureVerificationError, TypeError, ValueError):
        # TypeError: a signature outside ASCII cannot be compared. ValueError: a body that is not UTF-8.
        return False


def _signed_at(signature: str) -> int:
    # The first `t`, as in the SDK: it is the one that the signature was computed with.
    pairs = (item.split("=", 2) for item in signature.split(","))
    return next(int(pair[1]) for pair in pairs if pair[0] == "t")


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _event(body: object) -> WebhookEvent | None:
    match body:
        case {
            "object": "event",
            "id": str(event_id),
            "type": str(event_type),
            "created": int(created),
            "data": {"object": {"object": str(kind), "id": str(object_id)} as subject},
        }:
            return WebhookEvent(
                id=event_id,
                type=event_type,
                created=created,
                object_kind=kind,
                object_id=object_id,
                intent_id=object_id if kind == "payment_intent" else _reference(subject.get("payment_intent")),
                order_id=_metadata(subject, "orderId"),
                charge_id=_metadata(subject, "chargeId"),
            )
        case _:
            return None


def _reference(value: object) -> str | None:
    """An id that stands for an object or, where Stripe was asked to expand it, the object."""
    match value:
        case str(reference) | {"id": str(reference)}:
            return reference
        case _:
            return None


def _metadata(subject: Mapping[str, Any], name: str) -> str | None:
    match subject.get("metadata"):
        case {**metadata} if isinstance(metadata.get(name), str):
            return str(metadata[name])
        case _:
            return None
