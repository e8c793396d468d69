"""What programs of others hear of an event: their own orders, and of every ticket what everybody may know.

Only fields that are named here are sent. What is shown to a seller of an order is what the ticket's history shows them:
of its buyer no more than the id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi.sse import format_sse_event

from holdfast.events import Event
from holdfast.events.catalogue import FIRST_VERSION
from holdfast.events.event import CONTENT_TYPE, SPEC_VERSION, TYPE_PREFIX, rfc3339

_ORDER = "order."
_OF_TICKETS: Mapping[str, frozenset[str]] = {
    "ticket.created": frozenset(
        {
            "ticketId", "sellerId", "title", "priceCents", "currency", "description", "category", "venue", "city",
            "startsAt", "timezone", "section", "row", "seat", "restrictions", "faceValueCents",
        }
    ),
    "ticket.updated": frozenset(
        {
            "ticketId", "title", "priceCents", "currency", "description", "category", "venue", "city", "startsAt",
            "timezone", "section", "row", "seat", "restrictions", "faceValueCents",
        }
    ),
    "ticket.withdrawn": frozenset({"ticketId"}),
}  # fmt: skip
# What everybody hears of a ticket when its order changes, without whose order it is.
_OF_HOLDS: Mapping[str, str] = {
    "order.created": "ticket.held",
    "order.offered": "ticket.held",
    "order.completed": "ticket.sold",
    "order.cancelled": "ticket.freed",
    "order.expired": "ticket.freed",
}
_OF_SELLERS = frozenset(
    {
        "orderId", "ticketId", "sellerId", "buyerId", "title", "priceCents", "feeCents", "currency", "status",
        "createdAt", "expiresAt", "offer", "refunding", "cancelReason",
    }
)  # fmt: skip
_OF_BUYERS = _OF_SELLERS - {"feeCents"} | {"attempt"}


@dataclass(frozen=True, slots=True)
class View:
    """An event as `reader_id` may see it, or everybody with None.

    `frame` is all of its server-sent event but the id; its data is in CloudEvents' JSON format.
    """

    subject: str
    reader_id: str | None
    frame: bytes

    def is_for(self, user_id: str) -> bool:
        """Return whether this user may see it."""
        return self.reader_id is None or self.reader_id == user_id


def views_of(event: Event) -> tuple[View, ...]:
    """Return what may be seen of the event, its own people's views first; nothing of one that is nobody's to see."""
    data: dict[str, Any] = orjson.loads(event.data)
    if (fields := _OF_TICKETS.get(event.subject)) is not None:
        return (View(event.subject, None, _frame(event, event.subject, data, fields)),)
    if not event.subject.startswith(_ORDER):
        return ()
    views = [
        View(event.subject, data[role], _frame(event, event.subject, data, own))
        for role, own in (("buyerId", _OF_BUYERS), ("sellerId", _OF_SELLERS))
    ]
    if (subject := _OF_HOLDS.get(event.subject)) is not None:
        views.append(View(subject, None, _frame(event, subject, data, frozenset({"ticketId"}))))
    return tuple(views)


def _frame(event: Event, subject: str, data: Mapping[str, Any], fields: frozenset[str]) -> bytes:
    # What everybody hears of an order's event is another event, with an id and a type of its own.
    is_own = subject == event.subject
    content = {
        "id": event.id if is_own else f"{event.id}:{subject}",
        "source": event.source,
        "specversion": SPEC_VERSION,
        "type": event.type if is_own else f"{TYPE_PREFIX}{subject}.v{FIRST_VERSION}",
        "subject": event.entity,
        "time": rfc3339(event.time_ms),
        "entityversion": str(event.version),
        "datacontenttype": CONTENT_TYPE,
        "data": {name: value for name, value in data.items() if name in fields},
    }
    return format_sse_event(event=subject, data_str=orjson.dumps(content).decode())
