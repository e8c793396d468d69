"""Events to documents: what the lists and the reads by id of orders and charges are answered from."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import TypeVar, assert_never

import structlog

from actors.domain.charge import has_failed_refund
from actors.domain.charge_events import (
    ChargeAuthorised,
    ChargeCreated,
    ChargeEvent,
    ChargeIntentCreated,
    ChargeRetryScheduled,
)
from actors.domain.charge_values import Charge
from actors.domain.codec import Document, UnreadableError, decode, encode
from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_events import (
    OrderAwaitingPayment,
    OrderCreated,
    OrderEvent,
    OrderExpired,
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
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketStatus
from actors.domain.unpaid_holds import HOUR_MS, ended_unpaid
from actors.read_model.search_terms import search_terms
from actors.runtime.ports import DocumentUpdate

T = TypeVar("T")
logger = structlog.get_logger(__name__)

NO_START = 999_999_999_999_999
# A cold ticket is loaded from its document and the commits beyond it, so a document may lag by this many versions
# before it is written without need. Reserving and releasing alone write no ticket document: lists look at the orders.
LARGEST_LAG = 8

# Nobody waits for an expiry, and a payment goes on at once: whoever is told of one that is not over waits for the
# document all the same (see TicketEntity.documents_before_reply). So a purchase replaces its order's document once.
WRITTEN_AFTER_REPLY = (
    OrderExpired,
    OrderAwaitingPayment,
    ChargeCreated,
    ChargeRetryScheduled,
    ChargeIntentCreated,
    ChargeAuthorised,
)

# What a document has beside the state, as queries need it. Others begin with `by_`, so that older releases know them.
DERIVED = frozenset({"_id", "projection", "words", "due_at", "unsettled_since"})
# Raised with every change of what is derived: documents with a lower number, or without one, are written anew in the
# background (see storage/upgrades.py).
PROJECTIONS = {"tickets": 2, "orders": 4, "charges": 4}
FIRST_PROJECTION = 1


def ticket_updates(event: TicketEvent, ticket: Ticket) -> list[DocumentUpdate]:
    """The documents that an event changes; the ticket is as it is after it."""
    document = partial(ticket_document, ticket)
    match event:
        case (
            TicketCreated() | TicketUpdated() | TicketWithdrawn() | TicketSuspended() | TicketReinstated()
            | WaiterJoined() | WaiterLeft() | WaitingListClosed()
        ):  # fmt: skip
            is_new = isinstance(event, TicketCreated)
            return [DocumentUpdate("tickets", ticket.id, ticket.version, document, is_new=is_new)]
        case OrderEvent(order=order):
            updates = [
                DocumentUpdate(
                    "orders",
                    order.id,
                    order.version,
                    partial(order_document, order),
                    is_new=isinstance(event, OrderCreated),
                    before_reply=not isinstance(event, WRITTEN_AFTER_REPLY),
                )
            ]
            is_sold = ticket.status is TicketStatus.SOLD
            if is_sold or order.charge_id or order.offer or ticket.version % LARGEST_LAG == 0:
                # Whoever took a sale back was told that the ticket is for sale again, and its document says `sold`.
                is_awaited = order.charge_id is not None and order.status is OrderStatus.CANCELLED
                updates.append(DocumentUpdate("tickets", ticket.id, ticket.version, document, before_reply=is_awaited))
            return updates
        case _:
            assert_never(event)


def charge_updates(event: ChargeEvent) -> list[DocumentUpdate]:
    """The document of a charge, which nobody reads before its payment is answered."""
    charge = event.charge
    document = partial(charge_document, charge)
    is_awaited = not isinstance(event, WRITTEN_AFTER_REPLY)
    return [
        DocumentUpdate(
            "charges", charge.id, charge.version, document, is_new=charge.version == 1, before_reply=is_awaited
        )
    ]


def ticket_document(ticket: Ticket) -> Document:
    """The ticket as stored, with the fields that pages are sorted and searched by.

    `by_waiter` is there while people wait for it: of somebody all lines are found.
    Its `status` leaves out who holds it, which changes without a new document: lists look at the open orders for that.
    """
    details = ticket.details
    document = encode(ticket)
    document["_id"] = document.pop("id")
    held = ticket.status is TicketStatus.RESERVED
    document["projection"] = PROJECTIONS["tickets"]
    document["status"] = (TicketStatus.AVAILABLE if held else ticket.status).value
    document["words"] = list(_words(details.title, details.venue, details.city, details.description))
    document["by_newest"] = f"{ticket.created_at:015d}{ticket.id}"
    document["by_price"] = f"{details.price:010d}{ticket.id}"
    if ticket.waiting:
        document["by_waiter"] = [waiter.user_id for waiter in ticket.waiting]
    document["by_start"] = f"{NO_START if details.starts_at is None else details.starts_at:015d}{ticket.id}"
    return document


@lru_cache(maxsize=128)  # some 7 MB at most
def _words(*texts: str | None) -> tuple[str, ...]:
    """The words of a ticket: they cost more than the rest of its document, and only an edit changes them."""
    return tuple(search_terms(*texts))


def order_document(order: Order) -> Document:
    """The order as stored.

    `due_at` is there only while it is open and `unsettled_since` only while its money is on the way: they index what
    the Supervisor may have to wake or to resume. `by_live_ticket` is there until it is cancelled: lists look at the
    order that holds or has bought a ticket, among however many it had. `by_unpaid_hold` is there while the order counts
    for what its buyer may hold. `by_taken_back` is there when its seller gave the money back: buyers are told how
    often.
    """
    document = encode(order)
    document["_id"] = document.pop("id")
    document["projection"] = PROJECTIONS["orders"]
    document["by_newest"] = f"{order.created_at:015d}{order.id}"
    if order.status is not OrderStatus.CANCELLED:
        document["by_live_ticket"] = order.ticket_id
    if order.is_open and not order.offer:
        document["by_unpaid_hold"] = order.buyer_id
    elif ended_unpaid(order):
        document["by_unpaid_hold"] = _in_hour(order.buyer_id, order.updated_at // HOUR_MS)
    if order.cancel_reason is CancelReason.REFUNDED and order.refund_by == order.seller_id:
        document["by_taken_back"] = order.seller_id
    if order.is_open:
        document["due_at"] = order.expires_at
    if order.has_pending_money:
        document["unsettled_since"] = order.updated_at
    return document


def unpaid_hold_keys(buyer_ids: Iterable[str], now: Instant) -> list[str]:
    """Return what `by_unpaid_hold` is of open orders, and of those that ended unpaid in this hour or the last."""
    hour = now // HOUR_MS
    return [key for buyer_id in buyer_ids for key in (buyer_id, _in_hour(buyer_id, hour), _in_hour(buyer_id, hour - 1))]


def _in_hour(buyer_id: str, hour: int) -> str:
    return f"{buyer_id}:{hour}"


def charge_document(charge: Charge) -> Document:
    """The charge as stored. `unsettled_since` is there only while Stripe may hold money for it.

    `by_payable_since` is there only while it failed and its intent is still to be cancelled: apart from the others,
    because of one release there may be as many as declines.
    `by_failed_refund` is there only while its money should have gone back and did not: it sorts the operator's list.
    """
    document = encode(charge)
    document["_id"] = document.pop("id")
    document["projection"] = PROJECTIONS["charges"]
    if charge.is_open:
        document["unsettled_since"] = charge.updated_at
    if charge.is_payable:
        document["by_payable_since"] = charge.updated_at
    if has_failed_refund(charge):
        document["by_failed_refund"] = f"{charge.updated_at:015d}{charge.id}"
    return document


def ticket_of(document: Document) -> Ticket:
    """The ticket of its stored document. Raises UnreadableError."""
    state = _state_in(document)
    state.pop("status", None)
    # Documents of the first release do not say when they were edited last: not after this version.
    state.setdefault("edited", state["version"])
    return decode(Ticket, state)


def order_of(document: Document) -> Order:
    """The order of its stored document. Raises UnreadableError."""
    return decode(Order, _state_in(document))


def charge_of(document: Document) -> Charge:
    """The charge of its stored document. Raises UnreadableError."""
    return decode(Charge, _state_in(document))


def order_update(order: Order) -> DocumentUpdate:
    """Return the order's document for a host that does not know whether it was ever written."""
    return DocumentUpdate("orders", order.id, order.version, partial(order_document, order), is_new=True)


def update_of(collection: str, stored: Document) -> DocumentUpdate:
    """Return a stored document as this release writes it, at the same version. Raises UnreadableError."""
    match collection:
        case "tickets":
            ticket = ticket_of(stored)
            return DocumentUpdate(collection, ticket.id, ticket.version, partial(ticket_document, ticket))
        case "orders":
            order = order_of(stored)
            return DocumentUpdate(collection, order.id, order.version, partial(order_document, order))
        case _:
            charge = charge_of(stored)
            return DocumentUpdate(collection, charge.id, charge.version, partial(charge_document, charge))


def readable(of: Callable[[Document], T], documents: Iterable[Document]) -> list[T]:
    """Return those that this release can read, and log the others: one must not hide a whole list."""
    found: list[T] = []
    for document in documents:
        try:
            found.append(of(document))
        except UnreadableError as error:
            logger.error("document_unreadable", id=document["_id"], why=str(error))
    return found


def _state_in(document: Document) -> Document:
    """The fields that are not made of others: a newer release may have more of both, and keeps to the prefix."""
    state = {name: value for name, value in document.items() if name not in DERIVED and not name.startswith("by_")}
    state["id"] = document["_id"]
    return state
