"""What a ticket is, and what its events change."""

from dataclasses import dataclass, field, replace
from typing import assert_never

from actors.domain import unpaid_holds, waiting_list
from actors.domain.instants import Instant
from actors.domain.ticket_events import (
    OrderCancelled,
    OrderCompleted,
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
from actors.domain.ticket_values import Order, OrderStatus, TicketDetails, TicketStatus
from actors.domain.unpaid_holds import UnpaidHold
from actors.domain.waiting_list import Line, Waiter


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as its events left it. `order` is the one that holds or has bought it, and None otherwise.

    `edited` is the version of its last edit, at first that of its creation. `suspended` while its seller may not sell.
    `unpaid_holds` are those of the last hour before its last hold ended, the newest last. `waiting` are those in
    line for it, and `waiting_closed` while the seller wants none. `commit` is the id of the journal's commit of its
    last event.
    """

    id: str
    seller_id: str
    details: TicketDetails
    version: int
    created_at: Instant
    updated_at: Instant
    order: Order | None = None
    withdrawn: bool = False
    request: str | None = None
    edited: int = 1
    suspended: bool = False
    unpaid_holds: tuple[UnpaidHold, ...] = ()
    waiting: Line = ()
    waiting_closed: bool = False
    commit: str | None = field(default=None, compare=False, repr=False)

    @property
    def status(self) -> TicketStatus:
        """Which of the handlers below decides about it."""
        if self.withdrawn:
            return TicketStatus.WITHDRAWN
        if self.order is None:
            return TicketStatus.AVAILABLE
        return TicketStatus.RESERVED if self.order.is_open else TicketStatus.SOLD


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """What a ticket answers: itself, the order that the command was about, and whether this command changed it."""

    ticket: Ticket
    order: Order | None = None
    fresh: bool = False


def evolve(
    ticket: Ticket | None, event: TicketEvent, at: Instant, ticket_id: str, *, commit: str | None = None
) -> Ticket:
    """The ticket after the event of this commit; its version is one higher, the first is 1."""
    changes: dict[str, object]
    match event:
        case TicketCreated():
            return Ticket(ticket_id, event.seller_id, event.details, 1, at, at, request=event.request, commit=commit)
        case _ if ticket is None:
            raise ValueError(f"{type(event).__name__} before TicketCreated of ticket {ticket_id}")
        case TicketUpdated():
            changes = {"details": event.details, "edited": ticket.version + 1}
        case TicketWithdrawn():
            changes = {"withdrawn": True, "waiting": ()}
        case TicketSuspended() | TicketReinstated():
            changes = {"suspended": isinstance(event, TicketSuspended)}
        case WaiterJoined():
            waiter = Waiter(event.user_id, event.max_price)
            changes = {"waiting": waiting_list.with_waiter(ticket.waiting, waiter)}
        case WaiterLeft():
            changes = {"waiting": waiting_list.without(ticket.waiting, event.user_id)}
        case WaitingListClosed():
            changes = {"waiting": (), "waiting_closed": ticket.status is TicketStatus.RESERVED}
        case OrderEvent():
            holds = unpaid_holds.remember(ticket.unpaid_holds, event.order)
            waiting, is_closed = _line_after(ticket, event)
            order = _order_after(event)
            changes = {"order": order, "unpaid_holds": holds, "waiting": waiting, "waiting_closed": is_closed}
        case _:
            assert_never(event)
    # Once for all fields: it goes through every one of them.
    return replace(ticket, version=ticket.version + 1, updated_at=at, commit=commit, **changes)  # type: ignore[arg-type]


def _order_after(event: OrderEvent) -> Order | None:
    return None if event.order.status is OrderStatus.CANCELLED else event.order


def _line_after(ticket: Ticket, event: OrderEvent) -> tuple[Line, bool]:
    """Return who waits after an event of an order, and whether the line is closed: until the ticket is for sale again.

    A sale ends the line, and somebody who holds the ticket does not wait for it.
    """
    match event:
        case OrderCompleted():
            return (), ticket.waiting_closed
        case OrderCreated() if ticket.waiting:
            return waiting_list.without(ticket.waiting, event.order.buyer_id), ticket.waiting_closed
        case OrderCancelled() | OrderExpired():
            return ticket.waiting, False
    return ticket.waiting, ticket.waiting_closed
