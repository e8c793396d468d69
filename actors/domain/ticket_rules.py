"""What may happen to a ticket: `decide` says which events follow from a command in each of its states."""

from collections.abc import Callable
from typing import assert_never

from actors.domain import order_rules, waiting_list, waiting_rules
from actors.domain.decision import NO_CONTEXT, UNCHANGED, Decision, DecisionContext, unchanged_if
from actors.domain.instants import Instant
from actors.domain.refusals import (
    AlreadyReserved,
    AlreadySold,
    AlreadyWithdrawn,
    NotFound,
    NotOwner,
    OrderClosed,
    OrderComplete,
    OrderNotPaid,
    Refusal,
    SellerCannotBuy,
    VersionMismatch,
)
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import (
    AbandonRefund,
    ActivateTicket,
    CancelOrder,
    CancelSale,
    CloseWaitingList,
    CreateTicket,
    EditTicket,
    Expire,
    JoinWaitingList,
    LeaveWaitingList,
    OrderCommand,
    ReadOrder,
    ReadTicket,
    ReinstateTicket,
    Release,
    Reserve,
    Sell,
    StartPayment,
    StartRefund,
    StateCommand,
    SuspendTicket,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import (
    OrderCancelled,
    OrderCreated,
    OrderExpired,
    OrderRefundFailed,
    TicketCreated,
    TicketEvent,
    TicketReinstated,
    TicketSuspended,
    TicketUpdated,
    TicketWithdrawn,
    WaiterLeft,
)
from actors.domain.ticket_values import CancelReason, Order, TicketStatus


def due(ticket: Ticket | None, now: Instant, context: DecisionContext = NO_CONTEXT) -> tuple[TicketEvent, ...]:
    """The expiry that is due now, so that a late timer never lets a late payment win. To be applied before deciding."""
    if ticket is None or ticket.order is None or not ticket.order.is_open or now < ticket.order.expires_at:
        return ()
    expired = OrderExpired(order_rules.ended_order(ticket.order, CancelReason.EXPIRED, now))
    return _with_offer(ticket, _with_withdrawal(ticket, (expired,)), now, context)


def decide(  # noqa: C901, PLR0911 - a row a rule
    ticket: Ticket | None, command: TicketCommand, now: Instant, context: DecisionContext = NO_CONTEXT
) -> Decision:
    """The events that follow from the command, none when it repeats what already holds, or the rule that refuses it."""
    if ticket is None:
        return _create(command) if isinstance(command, CreateTicket) else NotFound()
    match command:
        case CreateTicket():
            return unchanged_if(ticket.seller_id == command.seller_id and ticket.request == command.request)
        case ReadTicket() | ActivateTicket():
            return UNCHANGED
        case ReinstateTicket():
            return (TicketReinstated(),) if ticket.suspended else UNCHANGED
        case StartRefund(is_admin=True):
            pass
        case EditTicket() | WithdrawTicket() | StartRefund() | CloseWaitingList() if (
            command.user_id != ticket.seller_id
        ):
            return NotOwner()
        case EditTicket() if context.edited_before is not None:
            # This very edit took effect before, and others may have followed; if here, it is answered the same.
            return unchanged_if(context.edited_before == ticket.id)
        case EditTicket(expected_versions=tuple() as versions) if not any(
            ticket.edited <= version <= ticket.version for version in versions
        ):
            return VersionMismatch()
        case Reserve() if context.earlier_order is not None:
            # The order came into being before and must not be revived; the caller is told how it stands.
            return unchanged_if(order_rules.same_request(context.earlier_order, command))
        case LeaveWaitingList():
            is_waiting = waiting_list.place_in(ticket.waiting, command.user_id) is not None
            return (WaiterLeft(command.user_id),) if is_waiting else UNCHANGED
        case CloseWaitingList():
            return waiting_rules.close_line(ticket)
    decision = _HANDLERS[ticket.status](ticket, command, now, context)
    if isinstance(decision, Refusal):
        return decision
    return _with_offer(ticket, _with_withdrawal(ticket, decision), now, context)


def _create(command: CreateTicket) -> Decision:
    return (TicketCreated(command.seller_id, command.details, command.request),)


def _when_available(ticket: Ticket, command: StateCommand, now: Instant, context: DecisionContext) -> Decision:
    match command:
        case Reserve():
            return order_rules.reserve(ticket, command, now, context)
        case EditTicket(details=details, edit_id=edit_id):
            return UNCHANGED if details == ticket.details else (TicketUpdated(details, edit_id),)
        case WithdrawTicket() | SuspendTicket():
            return (TicketWithdrawn(),)
        case JoinWaitingList():
            return waiting_rules.refused_to_wait(ticket, command, now)
    if isinstance(command, OrderCommand):
        return OrderClosed()
    assert_never(command)


def _when_reserved(  # noqa: C901, PLR0911, PLR0912 - a row a rule
    ticket: Ticket, command: StateCommand, now: Instant, _: DecisionContext
) -> Decision:
    order = _order_of(ticket)
    match command:
        case Reserve(order_id=order.id):
            return unchanged_if(order_rules.same_request(order, command))
        case Reserve(buyer_id=order.buyer_id):
            return order_rules.not_as_expected(ticket, command) or order_rules.accept(
                ticket, order, command.window, now
            )
        case Reserve(buyer_id=ticket.seller_id):
            return SellerCannotBuy()
        case Reserve() | EditTicket() | WithdrawTicket():
            return AlreadyReserved()
        case CancelOrder(order_id=order.id):
            return (OrderCancelled(order_rules.ended_order(order, CancelReason.BUYER, now)),)
        case StartPayment(order_id=order.id, grace=grace):
            return order_rules.start_payment(ticket, order, grace, now)
        case Sell(order_id=order.id):
            return order_rules.sell(order, command, now)
        case Release(order_id=order.id):
            return order_rules.release(order, command, now)
        case CancelSale(order_id=order.id, reason=reason):
            return (OrderCancelled(order_rules.ended_order(order, reason, now)),)
        case StartRefund(order_id=order.id):
            return OrderNotPaid()
        case JoinWaitingList():
            return waiting_rules.join(ticket, order, command)
        case SuspendTicket():
            return _suspend(ticket)
        case ReadOrder(order_id=order.id) | Expire(order_id=order.id):
            return UNCHANGED  # `due` has not ended it, so its time is not over: it was extended
    if isinstance(command, OrderCommand):
        return OrderClosed()
    assert_never(command)


def _when_sold(  # noqa: PLR0911 - a row a rule
    ticket: Ticket, command: StateCommand, now: Instant, _: DecisionContext
) -> Decision:
    order = _order_of(ticket)
    match command:
        case Reserve(order_id=order.id):
            return unchanged_if(order_rules.same_request(order, command))
        case Reserve() | EditTicket() | WithdrawTicket() | JoinWaitingList():
            return AlreadySold()
        case Sell(order_id=order.id, charge_id=order.charge_id) | ReadOrder(order_id=order.id):
            return UNCHANGED
        case CancelSale(order_id=order.id, reason=reason):
            return (OrderCancelled(order_rules.ended_order(order, reason, now)),)
        case StartRefund(order_id=order.id):
            return order_rules.start_refund(ticket, order, command, now)
        case SuspendTicket():
            return _suspend(ticket)
        case AbandonRefund(order_id=order.id):
            stands = order_rules.next_order(order, now, refunding=False, refund_by=None)
            return (OrderRefundFailed(stands),) if order.refunding else UNCHANGED
        case CancelOrder(order_id=order.id) | StartPayment(order_id=order.id) | Release(order_id=order.id):
            return OrderComplete()
    if isinstance(command, OrderCommand):
        return OrderClosed()
    assert_never(command)


def _when_withdrawn(_ticket: Ticket, command: StateCommand, _now: Instant, _: DecisionContext) -> Decision:
    match command:
        case WithdrawTicket() | SuspendTicket():
            return UNCHANGED
        case Reserve() | EditTicket() | JoinWaitingList():
            return AlreadyWithdrawn()
    if isinstance(command, OrderCommand):
        return OrderClosed()
    assert_never(command)


Handler = Callable[[Ticket, StateCommand, Instant, DecisionContext], Decision]


_HANDLERS: dict[TicketStatus, Handler] = {
    TicketStatus.AVAILABLE: _when_available,
    TicketStatus.RESERVED: _when_reserved,
    TicketStatus.SOLD: _when_sold,
    TicketStatus.WITHDRAWN: _when_withdrawn,
}


def _with_withdrawal(ticket: Ticket, events: tuple[TicketEvent, ...]) -> tuple[TicketEvent, ...]:
    """The events, and a withdrawal in the same commit where they release a ticket that must not be for sale again.

    So no buyer can come between: that of a seller who may not sell any more, or one that an administrator refunded.
    """
    for event in events:
        if isinstance(event, OrderCancelled | OrderExpired):
            by_admin = event.order.refund_by not in (None, ticket.seller_id)
            return (*events, TicketWithdrawn()) if ticket.suspended or by_admin else events
    return events


def _with_offer(
    ticket: Ticket, events: tuple[TicketEvent, ...], now: Instant, context: DecisionContext
) -> tuple[TicketEvent, ...]:
    """The events, and in the same commit an offer to the first in line who fits where they release the ticket.

    So nobody can be faster than who waited. Nothing is offered that is withdrawn or has begun.
    """
    if not ticket.waiting or not events or not isinstance(events[-1], OrderCancelled | OrderExpired):
        return events
    waiter = waiting_list.first_fitting(ticket.waiting, ticket.details.price, context.may_buy)
    if waiter is None or order_rules.has_begun(ticket, now):
        return events
    order_id = waiting_list.offer_id(ticket.id, ticket.version + len(events) + 1)
    expires_at = order_rules.until_the_show(ticket, now + context.offer_window_ms)
    order = order_rules.order_for(ticket, order_id, waiter.user_id, now, expires_at, fee=context.fee, offer=True)
    return (*events, OrderCreated(order))


def _suspend(ticket: Ticket) -> Decision:
    return UNCHANGED if ticket.suspended else (TicketSuspended(),)


def _order_of(ticket: Ticket) -> Order:
    if ticket.order is None:
        raise ValueError(f"ticket {ticket.id} is {ticket.status} without an order")
    return ticket.order
