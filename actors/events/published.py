"""What a committed event says to the world: only fields that are named here leave the market.

No password, token, address, payment method or idempotency key is among them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from actors.domain.account_events import UserCreated, UserUpdated
from actors.domain.charge_events import ChargeEvent
from actors.domain.charge_values import Charge
from actors.domain.codec import UnreadableEvent, archive_of, event_name
from actors.domain.instants import Instant
from actors.domain.membership import MembershipChanged
from actors.domain.ticket_events import OrderCreated, OrderEvent, TicketCreated, TicketUpdated, WaiterJoined, WaiterLeft
from actors.domain.ticket_values import Order, TicketDetails
from actors.runtime.ports import RecordedEvent
from holdfast.events.catalogue import CATALOGUE, OFFERED
from holdfast.events.event import Event

_CHARGE = "charge"
TYPES = {name: each.type for name, each in CATALOGUE.items()}
OFFERED_TYPE = OFFERED.type


def is_published(record: RecordedEvent) -> bool:
    """Whether the world hears of it.

    Of an event that this release does not understand only the release that wrote it knows what to say: consumers find
    that a version is missing, and ask for it.
    """
    return not isinstance(record.event, UnreadableEvent) and event_name(record.event) in CATALOGUE


def was_published(record: RecordedEvent) -> bool:
    """Whether the world heard of it, also where its name alone is left because the rest is archived."""
    return is_published(record) or (archive_of(record.event) is not None and event_name(record.event) in CATALOGUE)


def published_event(record: RecordedEvent, *, source: str, preceded_by: int | None) -> Event:
    """Return the event as it is published; `preceded_by` is the last version of its entity that was.

    Raises LookupError for one that is not published.
    """
    event = record.event
    entity_id = record.entity_id
    partition_key = event.charge.ticket_id if isinstance(event, ChargeEvent) else entity_id
    return Event(
        id=record.key,
        source=source,
        type=_type_of(event),
        entity=record.entity,
        version=record.version,
        time_ms=record.at,
        partition_key=partition_key,
        data=orjson.dumps(data_of(event, entity_id), option=orjson.OPT_UTC_Z),
        preceded_by=preceded_by,
        traceparent=record.traceparent,
    )


def is_gapless(record: RecordedEvent) -> bool:
    """Whether every event of this kind of entity is published, so that each version is preceded by the one before."""
    return record.kind != _CHARGE


def _type_of(event: Any) -> str:  # noqa: ANN401 - any event of the market
    if isinstance(event, OrderCreated) and event.order.offer:
        return OFFERED_TYPE
    return TYPES[event_name(event)]


def data_of(event: Any, entity_id: str) -> Mapping[str, Any]:  # noqa: ANN401 - any event of the market
    """Return what may leave the market of an event that this release understands, also of one that is not published."""
    match event:
        case OrderEvent(order=order):
            return _order(order)
        case ChargeEvent(charge=charge):
            return _charge(charge)
        case UserCreated(user_id=user_id) | UserUpdated(user_id=user_id):
            return {"userId": user_id}
        case MembershipChanged(hosts=hosts, by=by, reason=reason):
            return {"by": by, "reason": reason, **asdict(hosts)}
    of_ticket: dict[str, Any] = {"ticketId": entity_id}
    match event:
        case TicketCreated(seller_id=seller_id, details=details):
            of_ticket |= {"sellerId": seller_id, **_listing(details)}
        case TicketUpdated(details=details):
            of_ticket |= _listing(details)
        case WaiterJoined(user_id=user_id) | WaiterLeft(user_id=user_id):
            of_ticket["userId"] = user_id
    return of_ticket


def _listing(details: TicketDetails) -> dict[str, Any]:
    listing = {
        "title": details.title,
        "priceCents": details.price,
        "currency": details.currency,
        "description": details.description,
        "category": details.category,
        "venue": details.venue,
        "city": details.city,
        "startsAt": None if details.starts_at is None else _time(details.starts_at),
        "timezone": details.timezone,
        "section": details.section,
        "row": details.row,
        "seat": details.seat,
        "restrictions": details.restrictions,
        "faceValueCents": details.face_value,
    }
    return {name: value for name, value in listing.items() if value is not None}


def _order(order: Order) -> dict[str, Any]:
    data = {
        "orderId": order.id,
        "ticketId": order.ticket_id,
        "sellerId": order.seller_id,
        "buyerId": order.buyer_id,
        "title": order.title,
        "priceCents": order.price,
        "feeCents": order.fee,
        "currency": order.currency,
        "status": order.status,
        "attempt": order.attempt,
        "createdAt": _time(order.created_at),
        "expiresAt": _time(order.expires_at),
    }
    if order.offer:
        data["offer"] = True
    if order.refunding:
        data["refunding"] = True
    if order.cancel_reason is not None:
        data["cancelReason"] = order.cancel_reason
    return data


def _charge(charge: Charge) -> dict[str, Any]:
    data = {
        "chargeId": charge.id,
        "orderId": charge.order_id,
        "ticketId": charge.ticket_id,
        "buyerId": charge.buyer_id,
        "attempt": charge.attempt,
        "amountCents": charge.amount,
        "currency": charge.currency,
        "status": charge.status,
        "createdAt": _time(charge.created_at),
    }
    if charge.action_required:
        data["actionRequired"] = True
    if charge.refunding:
        data["refunding"] = True
    if charge.disputed is not None:
        data["dispute"] = charge.disputed
    return data


def _time(at: Instant) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
