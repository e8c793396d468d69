"""A ticket's past as its seller sees it."""

from typing import Any, Literal, NotRequired, assert_never

from typing_extensions import TypedDict

from actors.domain.codec import archive_of, event_name
from actors.domain.money import to_major_units
from actors.domain.ticket_events import (
    OrderEvent,
    TicketCreated,
    TicketEvent,
    TicketReinstated,
    TicketSuspended,
    TicketUpdated,
    TicketWithdrawn,
    WaiterJoined,
    WaiterLeft,
    WaitingListClosed,
)
from actors.domain.ticket_values import Order, OrderStatus
from actors.runtime.ports import RecordedEvent
from serve_app.http.timestamps import iso
from serve_app.schemas.tickets import details_view


class HistoryEntry(TypedDict):
    """One event. `version` is the ticket's after it, without gaps from 1.

    `archived` when the market has put its data away: then `data` is empty.
    """

    type: str
    version: int
    at: str
    data: dict[str, Any]
    archived: NotRequired[Literal[True]]


class PastOrder(TypedDict):
    """What a seller may know of an order: of its buyer no more than the id."""

    orderId: str
    userId: str
    status: OrderStatus
    price: float
    fee: float
    sellerGets: float
    currency: str
    expiresAt: str
    cancelReason: NotRequired[str]
    offer: NotRequired[Literal[True]]


def history_entry(recorded: RecordedEvent) -> HistoryEntry:
    """Return the event with prices in major units and instants in ISO 8601."""
    entry: HistoryEntry = {
        "type": event_name(recorded.event),
        "version": recorded.version,
        "at": iso(recorded.at),
        "data": _data(recorded.event),
    }
    if archive_of(recorded.event):
        entry["archived"] = True
    return entry


def _data(event: object) -> dict[str, Any]:
    if not isinstance(event, TicketEvent):
        return {}  # of a newer release, which knows what a seller may see of it
    match event:
        case TicketCreated(seller_id=seller_id, details=details):
            return {"userId": seller_id, **details_view(details)}
        case TicketUpdated(details=details):
            return {**details_view(details)}
        case OrderEvent(order=order):
            return {**_past_order(order)}
        case TicketWithdrawn() | TicketSuspended() | TicketReinstated():
            return {}
        case WaiterJoined() | WaiterLeft() | WaitingListClosed():
            return {}
        case _:
            assert_never(event)


def _past_order(order: Order) -> PastOrder:
    view: PastOrder = {
        "orderId": order.id,
        "userId": order.buyer_id,
        "status": order.status,
        "price": to_major_units(order.price),
        "fee": to_major_units(order.fee),
        "sellerGets": to_major_units(order.seller_gets),
        "currency": order.currency,
        "expiresAt": iso(order.expires_at),
    }
    if order.cancel_reason is not None:
        view["cancelReason"] = order.cancel_reason
    if order.offer:
        view["offer"] = True
    return view
