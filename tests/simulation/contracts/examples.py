"""Commits, documents and webhook events to hold the contracts with."""

from dataclasses import replace
from functools import partial

from actors.domain.charge_events import ChargeCreated
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.ticket import Ticket
from actors.domain.ticket_events import OrderCreated, TicketCreated, TicketEvent, TicketUpdated
from actors.domain.ticket_values import Order, OrderStatus, TicketDetails
from actors.read_model.projections import charge_document, order_document, ticket_document
from actors.runtime.ports import Commit, DocumentUpdate, RecordedEvent, commit_id
from actors.stripe.webhooks import WebhookEvent
from tests.support.examples import BUYER, DETAILS, NOW, SELLER, TICKET, WINDOW

ENTITY = f"ticket:{TICKET}"


def numbered(number: int) -> str:
    """An id."""
    return f"{number:024x}"


def an_order(number: int = 1, *, buyer_id: str = BUYER, ends: int = NOW + WINDOW) -> Order:
    return Order(
        id=numbered(number),
        ticket_id=TICKET,
        seller_id=SELLER,
        buyer_id=buyer_id,
        title=DETAILS.title,
        price=DETAILS.price,
        currency=DETAILS.currency,
        status=OrderStatus.CREATED,
        created_at=NOW,
        expires_at=ends,
        updated_at=NOW,
    )


def cancelled(order: Order) -> Order:
    return replace(order, status=OrderStatus.CANCELLED, version=order.version + 1)


def being_paid(order: Order, since: int = NOW) -> Order:
    return replace(order, status=OrderStatus.AWAITING_PAYMENT, version=order.version + 1, updated_at=since)


def a_charge(number: int = 1, *, order_id: str = numbered(1), attempt: int = 1, updated_at: int = NOW) -> Charge:
    return Charge(
        id=numbered(number),
        order_id=order_id,
        ticket_id=TICKET,
        buyer_id=BUYER,
        attempt=attempt,
        amount=DETAILS.price,
        currency=DETAILS.currency,
        payment_method="pm_card_visa",
        status=ChargeStatus.CREATED,
        created_at=NOW,
        updated_at=updated_at,
        tries=("create", "create"),
    )


def completed(charge: Charge) -> Charge:
    return replace(charge, status=ChargeStatus.COMPLETED, version=charge.version + 1)


def a_ticket(number: int = 1, version: int = 1, title: str = "Hamlet") -> Ticket:
    return Ticket(
        id=numbered(number),
        seller_id=SELLER,
        details=TicketDetails(title, 4_200, "usd"),
        version=version,
        created_at=NOW,
        updated_at=NOW,
    )


def document(subject: Ticket | Order | Charge, *, is_new: bool = False) -> DocumentUpdate:
    """The document of one of these."""
    match subject:
        case Ticket():
            collection, made = "tickets", partial(ticket_document, subject)
        case Order():
            collection, made = "orders", partial(order_document, subject)
        case Charge():
            collection, made = "charges", partial(charge_document, subject)
    return DocumentUpdate(collection, subject.id, subject.version, made, is_new=is_new)


def recorded(version: int, event: TicketEvent | ChargeCreated | None = None, entity: str = ENTITY) -> RecordedEvent:
    """One event; a ticket's first one lists it and the next ones change it, unless told otherwise."""
    usual = TicketCreated(SELLER, DETAILS) if version == 1 else TicketUpdated(replace(DETAILS, price=version))
    return RecordedEvent(entity, version, NOW + version, event or usual)


def commit(writer: str, seq: int, *records: RecordedEvent, claims: tuple[str, ...] = ()) -> Commit:
    records = tuple(replace(record, commit=commit_id(writer, seq)) for record in records)
    return Commit(writer, seq, NOW, (*(record.key for record in records), *claims), records)


def ordering(writer: str, seq: int, version: int, order: Order) -> Commit:
    """A commit in which an order comes into being."""
    return commit(writer, seq, recorded(version, OrderCreated(order)), claims=(f"order:{order.id}",))


def a_webhook_event(number: int) -> WebhookEvent:
    return WebhookEvent(
        f"evt_{number}",
        "charge.refunded",
        NOW // 1000,
        "charge",
        f"ch_{number}",
        intent_id=f"pi_{number}",
        order_id=numbered(number) if number % 2 else None,
        charge_id=None,
    )
