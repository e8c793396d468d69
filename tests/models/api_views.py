"""What the API shows of the model's things, written from its documentation: the bodies that answers must have."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.domain.ticket_values import CancelReason
from tests.models.ticket_model import OrderModel, TicketModel

JSON = dict[str, Any]


@dataclass
class Listing:
    """A ticket with its id. `changed` is when it changed last, or the earliest that it may have."""

    id: str
    created: int
    rules: TicketModel
    changed: int = 0


@dataclass
class Payment:
    """One attempt to pay. `bank` is what the buyer's bank has to say, as far as anybody asked it."""

    id: str
    attempt: int
    amount: int
    method: str
    key: str | None
    created: int
    status: str = "created"
    bank: str = "unasked"
    reached_stripe: bool = True
    failure: str | None = None
    refunding: bool = False
    has_refund: bool = False


def iso(instant: int) -> str:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=instant)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listing_view(listing: Listing) -> JSON:
    """A ticket as anybody sees it; when it was changed is looked at apart."""
    ticket = listing.rules
    view: JSON = {
        "id": listing.id,
        "title": ticket.title,
        "price": ticket.price / 100,
        "currency": "usd",
        "userId": ticket.seller,
        "orderId": ticket.holder.id if ticket.holder else None,
        "version": ticket.version,
        "status": ticket.status,
        "createdAt": iso(listing.created),
    }
    if ticket.holder is not None and ticket.holder.is_open:
        view["heldUntil"] = iso(ticket.holder.ends)
    return view | starting(ticket.begins)


def listing_view_of_seller(listing: Listing) -> JSON:
    """A ticket as its seller sees it, who is also told how many wait for it."""
    waiting = len(listing.rules.line)
    return listing_view(listing) | ({"waiting": waiting} if waiting else {})


def own_listing_view(listing: Listing) -> JSON:
    """A ticket in the list of its seller, who also sees what it was sold for."""
    view, order = listing_view_of_seller(listing), listing.rules.holder
    if order is None or order.is_open:
        return view
    price = order.price / 100
    sale = {"orderId": order.id, "price": price, "fee": 0, "sellerGets": price, "currency": "usd"}
    return view | {"sale": sale | refunding(order)}


def order_view(order: OrderModel, ticket_id: str) -> JSON:
    """An order as its buyer sees it."""
    price = order.price / 100
    view: JSON = {
        "id": order.id,
        "status": order.status,
        "userId": order.buyer,
        "price": price,
        "currency": "usd",
        "createdAt": iso(order.created),
        "expiresAt": iso(order.ends),
        "version": order.version,
        "ticket": {"id": ticket_id, "title": order.title, "price": price} | starting(order.begins),
    }
    if order.offer:
        view["offer"] = True
    if order.reason is not None:
        view["cancelReason"] = order.reason.value
    if order.refunding or order.reason is CancelReason.REFUNDED:
        view["refund"] = "pending" if order.refunding else "done"
    return view | refunding(order)


def starting(begins: int | None) -> JSON:
    return {} if begins is None else {"startsAt": iso(begins)}


def refunding(thing: OrderModel | Payment) -> JSON:
    return {"refunding": True} if thing.refunding else {}


def payment_view(payment: Payment, order_id: str) -> JSON:
    """A charge as the answer to its payment shows it; Stripe's ids are looked at apart."""
    return {"id": payment.id, "status": payment.status, "orderId": order_id}


def charge_view(payment: Payment, order_id: str) -> JSON:
    """A charge in the list of the attempts to pay an order."""
    view = payment_view(payment, order_id) | {
        "attempt": payment.attempt,
        "amount": payment.amount / 100,
        "currency": "usd",
        "createdAt": iso(payment.created),
    }
    if payment.failure is not None:
        view["failure"] = payment.failure
    return view | refunding(payment)
