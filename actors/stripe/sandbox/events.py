"""Which changes Stripe announces, and how (https://docs.stripe.com/api/events/types)."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from actors.stripe.client import API_VERSION
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.ledger_entry import Event
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund
from actors.stripe.sandbox.serializers import Shape, charge_shape, intent_shape, part_shape

CREATED = "payment_intent.created"
FAILED = "payment_intent.payment_failed"
# The webhook event of an intent's new status; the other statuses have none.
STATUSES = {
    "requires_action": "payment_intent.requires_action",
    "requires_capture": "payment_intent.amount_capturable_updated",
    "succeeded": "payment_intent.succeeded",
    "canceled": "payment_intent.canceled",
}
EVENT_TYPES = frozenset(
    {
        CREATED,
        FAILED,
        *STATUSES.values(),
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.closed",
    }
)
HANDLED_EVENT_TYPES = EVENT_TYPES - {CREATED}


@dataclass(frozen=True, slots=True)
class Cause:
    """When a change is made, in seconds since 1970, and by which request; by none when time or the bank makes it."""

    at: float
    request_id: str | None = None
    idempotency_key: str | None = None


def events_of(
    before: PaymentIntent | None, after: PaymentIntent, cause: Cause, ids: IdFactory, types: Collection[str]
) -> Iterator[Event]:
    """The webhook events of a change, as far as they are of these types."""
    for event_type, shape in _webhooks(before, after):
        if event_type in types:
            yield _event(event_type, shape(), cause, ids("evt"))


def _event(event_type: str, shape: Shape, cause: Cause, event_id: str) -> Event:
    event = {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": int(cause.at),
        "data": {"object": shape},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
        "type": event_type,
    }
    return Event(event_id, event_type, json.dumps(event))


def _webhooks(before: PaymentIntent | None, after: PaymentIntent) -> Iterator[tuple[str, Callable[[], Shape]]]:
    intent = partial(intent_shape, after)
    if before is None:
        yield CREATED, intent
        return
    if before.status != after.status and after.status in STATUSES:
        yield STATUSES[after.status], intent
    # Two buyers' errors may be equal, so leaving requires_action counts too.
    has_failed = before.last_payment_error != after.last_payment_error or before.status == "requires_action"
    if after.status == "requires_payment_method" and has_failed:
        yield FAILED, intent
    for part in after.parts:
        earlier = before.part(part.id)
        if part != earlier:
            yield from _of_part(part, after, is_new=earlier is None)


def _of_part(
    part: Refund | Dispute, intent: PaymentIntent, *, is_new: bool
) -> Iterator[tuple[str, Callable[[], Shape]]]:
    shape = partial(part_shape, part, intent)
    if isinstance(part, Dispute):
        yield ("charge.dispute.created" if is_new else "charge.dispute.closed"), shape
    elif is_new:
        yield "refund.created", shape
        yield "charge.refunded", partial(charge_shape, intent)
    else:
        yield "refund.updated", shape
        if part.status == "failed":
            yield "refund.failed", shape
