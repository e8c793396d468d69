"""What a receiver is sent of an event: `{"type", "timestamp", "data"}` (Standard Webhooks, "Payload structure")."""

from typing import Any

import orjson

from actors.domain.instants import Instant
from actors.webhooks.endpoint import Audience
from holdfast.events.event import Event, rfc3339

# Standard Webhooks, "Payload size". What is larger is read from the API, by the ids that are sent.
LARGEST_PAYLOAD = 20_000
# What sellers get as events: of their own tickets, and of what is sold of them. Not who waits, and for how much.
SELLER_FAMILIES = ("ticket", "order")
# Of an order a seller sees what serve_app/schemas/history.py shows them: of its buyer no more than the id.
_SELLER_SEES_OF_ORDERS = frozenset(
    {
        "ticketId", "orderId", "sellerId", "buyerId", "title", "priceCents", "feeCents", "currency", "status",
        "createdAt", "expiresAt", "offer", "refunding", "cancelReason",
    }
)  # fmt: skip
_IDS = ("ticketId", "orderId", "chargeId", "userId", "sellerId", "buyerId")


def is_for_sellers(subject: str) -> bool:
    """Whether sellers may have events of the subject, if the ticket is theirs."""
    return subject.partition(".")[0] in SELLER_FAMILIES


def payload_of(event: Event, audience: Audience) -> bytes:
    """Return the body for an audience. One that is too large has ids only, and says `truncated`."""
    data: dict[str, Any] = orjson.loads(event.data)
    if audience is Audience.SELLER and event.subject.startswith("order."):
        data = {name: value for name, value in data.items() if name in _SELLER_SEES_OF_ORDERS}
    body = payload(event.subject, event.time_ms, data)
    if len(body) < LARGEST_PAYLOAD:
        return body
    ids = {name: data[name] for name in _IDS if name in data}
    return payload(event.subject, event.time_ms, ids, truncated=True)


def payload(subject: str, at: Instant, data: dict[str, Any], **more: object) -> bytes:
    """Return a body as it is signed and sent."""
    return orjson.dumps({"type": subject, "timestamp": rfc3339(at), "data": data, **more})
