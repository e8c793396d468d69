"""What may happen to a ticket: `decide` says which events follow from a command, `evolve` what they change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from actors.domain import fees, unpaid_holds, waiting_list
from actors.domain.instants import Instant
from actors.domain.refusals import (
    AlreadyReserved,
    AlreadySold,
    AlreadyWithdrawn,
    AttemptOver,
    EditedSince,
    HeldByYou,
    HeldTooOften,
    NotFound,
    NotOwner,
    NotReserved,
    OrderClosed,
    OrderComplete,
    OrderNotPaid,
    PriceChanged,
    Refusal,
    RequestMismatch,
    SellerCannotBuy,
    ShowStarted,
    TooManyHolds,
    TooManyUnpaidHolds,
    VersionMismatch,
    WaitingListFull,
    WaitingListOver,
    WrongAmount,
)
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
    ReadOrder,
    ReadTicket,
    ReinstateTicket,
    Release,
    Reserve,
    Sell,
    StartPayment,
    StartRefund,
    SuspendTicket,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import (
    OfferAccepted,
    OrderAwaitingPayment,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderExpired,
    OrderRefundFailed,
    OrderRefunding,
    OrderReopened,
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
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, TicketDetails, TicketStatus
from actors.domain.unpaid_holds import MOST_OF_A_TICKET, UnpaidHold
from actors.domain.waiting_list import MOST_IN_LINE, Line, Waiter


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
class DecisionContext:
    """What a decision rests on besides the ticket: the buyer's other holds and what the command did before.

    The first of the open holds ends at `first_end`; no more may end unpaid until `unpaid_until`. `edited_before` is the
    id of the ticket that this very edit changed. `may_buy` are the people in line who may, of a ticket that may be
    released; an offer stands for `offer_window` ms. `fee` is what an order that comes into being costs its seller, in
    hundredths of a percent of the price.
    """

    open_holds: int = 0
    earlier_order: Order | None = None
    edited_before: str | None = None
    first_end: Instant = 0
    unpaid_until: Instant = 0
    may_buy: frozenset[str] = frozenset()
    offer_window: int = 0
    fee: int = 0


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """What a ticket answers: itself, the order that the command was about, and whether this command changed it."""

    ticket: Ticket
    order: Order | None = None
    fresh: bool = False


Decision = tuple[TicketEvent, ...] | Refusal
UNCHANGED: tuple[TicketEvent, ...] = ()
NO_SURROUNDINGS = DecisionContext()


def due(
    ticket: Ticket | None, now: Instant, surroundings: DecisionContext = NO_SURROUNDINGS
) -> tuple[TicketEvent, ...]:
    """The expiry that is due now, so that a late timer never lets a late payment win. To be applied before deciding."""
    if ticket is None or ticket.order is None or not ticket.order.is_open or now < ticket.order.expires_at:
        return ()
    expired = OrderExpired(_ended(ticket.order, CancelReason.EXPIRED, now))
    return _with_offer(ticket, _with_withdrawal(ticket, (expired,)), now, surroundings)


def decide(  # noqa: C901, PLR0911 - a row a rule
    ticket: Ticket | None, command: TicketCommand, now: Instant, surroundings: DecisionContext = NO_SURROUNDINGS
) -> Decision:
    """The events that follow from the command, none when it repeats what already holds, or the rule that refuses it."""
    if ticket is None:
        return _create(command) if isinstance(command, CreateTicket) else NotFound()
    match command:
        case CreateTicket():
            return _unchanged_if(ticket.seller_id == command.seller_id and ticket.request == command.request)
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
        case EditTicket() if surroundings.edited_before is not None:
            # This very edit took effect before, and others may have followed; if here, it is answered the same.
            return _unchanged_if(surroundings.edited_before == ticket.id)
        case EditTicket(expected_versions=tuple() as versions) if not any(
            ticket.edited <= version <= ticket.version for version in versions
        ):
            return VersionMismatch()
        case Reserve() if surroundings.earlier_order is not None:
            # The order came into being before and must not be revived; the caller is told how it stands.
            return _unchanged_if(_same_request(surroundings.earlier_order, command))
        case LeaveWaitingList(user_id=user_id):
            is_waiting = waiting_list.place_in(ticket.waiting, user_id) is not None
            return (WaiterLeft(user_id),) if is_waiting else UNCHANGED
        case CloseWaitingList():
            return _close_line(ticket)
    decision = _HANDLERS[ticket.status](ticket, command, now, surroundings)
    if isinstance(decision, Refusal):
        return decision
    return _with_offer(ticket, _with_withdrawal(ticket, decision), now, surroundings)


def _create(command: CreateTicket) -> Decision:
    return (TicketCreated(command.seller_id, command.details, command.request),)


def _when_available(ticket: Ticket, command: TicketCommand, now: Instant, surroundings: DecisionContext) -> Decision:
    match command:
        case Reserve():
            return _reserve(ticket, command, now, surroundings)
        case EditTicket(details=details, edit_id=edit_id):
            return UNCHANGED if details == ticket.details else (TicketUpdated(details, edit_id),)
        case WithdrawTicket() | SuspendTicket():
            return (TicketWithdrawn(),)
        case JoinWaitingList():
            return _refused_to_wait(ticket, command, now)
    return OrderClosed()


def _when_reserved(  # noqa: C901, PLR0911, PLR0912 - a row a rule
    ticket: Ticket, command: TicketCommand, now: Instant, _: DecisionContext
) -> Decision:
    order = _order_of(ticket)
    match command:
        case Reserve(order_id=order.id):
            return _unchanged_if(_same_request(order, command))
        case Reserve(buyer_id=order.buyer_id):
            return _not_as_expected(ticket, command) or _accept(ticket, order, command.window, now)
        case Reserve(buyer_id=ticket.seller_id):
            return SellerCannotBuy()
        case Reserve() | EditTicket() | WithdrawTicket():
            return AlreadyReserved()
        case CancelOrder(order_id=order.id):
            return (OrderCancelled(_ended(order, CancelReason.BUYER, now)),)
        case StartPayment(order_id=order.id, grace=grace):
            return _start_payment(ticket, order, grace, now)
        case Sell(order_id=order.id):
            return _sell(order, command, now)
        case Release(order_id=order.id):
            return _release(order, command, now)
        case CancelSale(order_id=order.id, reason=reason):
            return (OrderCancelled(_ended(order, reason, now)),)
        case StartRefund(order_id=order.id):
            return OrderNotPaid()
        case JoinWaitingList():
            return _join(ticket, order, command)
        case SuspendTicket():
            return _suspend(ticket)
        case ReadOrder(order_id=order.id) | Expire(order_id=order.id):
            return UNCHANGED  # `due` has not ended it, so its time is not over: it was extended
    return OrderClosed()


def _when_sold(  # noqa: PLR0911 - a row a rule
    ticket: Ticket, command: TicketCommand, now: Instant, _: DecisionContext
) -> Decision:
    order = _order_of(ticket)
    match command:
        case Reserve(order_id=order.id):
            return _unchanged_if(_same_request(order, command))
        case Reserve() | EditTicket() | WithdrawTicket() | JoinWaitingList():
            return AlreadySold()
        case Sell(order_id=order.id, charge_id=order.charge_id) | ReadOrder(order_id=order.id):
            return UNCHANGED
        case CancelSale(order_id=order.id, reason=reason):
            return (OrderCancelled(_ended(order, reason, now)),)
        case StartRefund(order_id=order.id):
            return _start_refund(ticket, order, command, now)
        case SuspendTicket():
            return _suspend(ticket)
        case AbandonRefund(order_id=order.id):
            stands = replace(_next(order, now, order.status), refunding=False, refund_by=None)
            return (OrderRefundFailed(stands),) if order.refunding else UNCHANGED
        case CancelOrder(order_id=order.id) | StartPayment(order_id=order.id) | Release(order_id=order.id):
            return OrderComplete()
    return OrderClosed()


def _when_withdrawn(_ticket: Ticket, command: TicketCommand, _now: Instant, _: DecisionContext) -> Decision:
    match command:
        case WithdrawTicket() | SuspendTicket():
            return UNCHANGED
        case Reserve() | EditTicket() | JoinWaitingList():
            return AlreadyWithdrawn()
    return OrderClosed()


Handler = Callable[[Ticket, TicketCommand, Instant, DecisionContext], Decision]
_HANDLERS: dict[TicketStatus, Handler] = {
    TicketStatus.AVAILABLE: _when_available,
    TicketStatus.RESERVED: _when_reserved,
    TicketStatus.SOLD: _when_sold,
    TicketStatus.WITHDRAWN: _when_withdrawn,
}


def _reserve(ticket: Ticket, command: Reserve, now: Instant, surroundings: DecisionContext) -> Decision:
    if command.buyer_id == ticket.seller_id:
        return SellerCannotBuy()
    if _has_begun(ticket, now):
        return ShowStarted()
    if (refusal := _not_as_expected(ticket, command)) is not None:
        return refusal
    if (refusal := _too_many(ticket, command, now, surroundings)) is not None:
        return refusal
    expires_at = _until_the_beginning(ticket, now + command.window)
    order = _order_for(
        ticket, command.order_id, command.buyer_id, now, expires_at, fee=surroundings.fee, request=command.request
    )
    is_waiting = waiting_list.place_in(ticket.waiting, command.buyer_id) is not None
    return (WaiterLeft(command.buyer_id), OrderCreated(order)) if is_waiting else (OrderCreated(order),)


def _order_for(  # noqa: PLR0913 - what an order has besides what is bought
    ticket: Ticket,
    order_id: str,
    buyer_id: str,
    now: Instant,
    expires_at: Instant,
    *,
    fee: int,
    request: str | None = None,
    offer: bool = False,
) -> Order:
    """Return an order of the ticket as it is now, which says what is bought, at a fee in hundredths of a percent."""
    details = ticket.details
    return Order(
        id=order_id,
        ticket_id=ticket.id,
        seller_id=ticket.seller_id,
        buyer_id=buyer_id,
        title=details.title,
        price=details.price,
        fee=fees.fee_of(details.price, fee),
        currency=details.currency,
        status=OrderStatus.CREATED,
        created_at=now,
        expires_at=expires_at,
        updated_at=now,
        request=request,
        offer=offer,
        venue=details.venue,
        city=details.city,
        starts_at=details.starts_at,
        timezone=details.timezone,
        section=details.section,
        row=details.row,
        seat=details.seat,
        restrictions=details.restrictions,
        face_value=details.face_value,
    )


def _not_as_expected(ticket: Ticket, command: Reserve) -> Refusal | None:
    """What the buyer saw and what there is differ: no price is charged and no ticket sold that was not accepted."""
    if command.expected_price not in (None, ticket.details.price):
        return PriceChanged(ticket.details.price)
    if command.expected_version is not None and command.expected_version < ticket.edited:
        return EditedSince()
    return None


def _suspend(ticket: Ticket) -> Decision:
    return UNCHANGED if ticket.suspended else (TicketSuspended(),)


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
    ticket: Ticket, events: tuple[TicketEvent, ...], now: Instant, surroundings: DecisionContext
) -> tuple[TicketEvent, ...]:
    """The events, and in the same commit an offer to the first in line who fits where they release the ticket.

    So nobody can be faster than who waited. Nothing is offered that is withdrawn or has begun.
    """
    if not ticket.waiting or not events or not isinstance(events[-1], OrderCancelled | OrderExpired):
        return events
    waiter = waiting_list.first_fitting(ticket.waiting, ticket.details.price, surroundings.may_buy)
    if waiter is None or _has_begun(ticket, now):
        return events
    order_id = waiting_list.offer_id(ticket.id, ticket.version + len(events) + 1)
    expires_at = _until_the_beginning(ticket, now + surroundings.offer_window)
    order = _order_for(ticket, order_id, waiter.user_id, now, expires_at, fee=surroundings.fee, offer=True)
    return (*events, OrderCreated(order))


def _accept(ticket: Ticket, order: Order, window: int, now: Instant) -> Decision:
    """The buyer asks for what they hold: nothing changes, unless it is an offer, which can be accepted once."""
    if not order.offer or order.status is not OrderStatus.CREATED:
        return UNCHANGED
    expires_at = max(order.expires_at, _until_the_beginning(ticket, now + window))
    return (OfferAccepted(replace(_next(order, now, order.status), offer=False, expires_at=expires_at)),)


def _join(ticket: Ticket, order: Order, command: JoinWaitingList) -> Decision:
    if command.user_id == ticket.seller_id:
        return SellerCannotBuy()
    if command.user_id == order.buyer_id:
        return HeldByYou()
    if ticket.waiting_closed or ticket.suspended:
        return WaitingListOver()
    waiter = Waiter(command.user_id, command.max_price)
    if waiter in ticket.waiting:
        return UNCHANGED
    if len(waiting_list.with_waiter(ticket.waiting, waiter)) > MOST_IN_LINE:
        return WaitingListFull()
    return (WaiterJoined(waiter.user_id, waiter.max_price),)


def _refused_to_wait(ticket: Ticket, command: JoinWaitingList, now: Instant) -> Refusal:
    if command.user_id == ticket.seller_id:
        return SellerCannotBuy()
    return ShowStarted() if _has_begun(ticket, now) else NotReserved()


def _close_line(ticket: Ticket) -> Decision:
    is_joinable = ticket.status is TicketStatus.RESERVED and not ticket.waiting_closed
    return (WaitingListClosed(),) if ticket.waiting or is_joinable else UNCHANGED


def _too_many(ticket: Ticket, command: Reserve, now: Instant, surroundings: DecisionContext) -> Refusal | None:
    if command.is_limited:
        ends = (hold.ended_at for hold in ticket.unpaid_holds if hold.buyer_id == command.buyer_id)
        allowed_at = unpaid_holds.allowed_at(ends, MOST_OF_A_TICKET)
        if now < allowed_at:
            return HeldTooOften(_seconds(allowed_at - now))
    if command.max_holds is not None and surroundings.open_holds >= command.max_holds:
        return TooManyHolds(command.max_holds, _seconds(surroundings.first_end - now))
    if command.is_limited and now < surroundings.unpaid_until:
        return TooManyUnpaidHolds(_seconds(surroundings.unpaid_until - now))
    return None


def _seconds(milliseconds: int) -> int:
    """Return whole seconds that are not too few, at least one."""
    return max(1, -(-milliseconds // 1_000))


def _start_payment(ticket: Ticket, order: Order, grace: int, now: Instant) -> Decision:
    if order.status is OrderStatus.AWAITING_PAYMENT:
        return UNCHANGED
    extended = order.extended or order.expires_at - now < grace
    longest = order.expires_at if order.extended else _until_the_beginning(ticket, now + grace)
    expires_at = max(order.expires_at, longest)
    awaiting = _next(order, now, OrderStatus.AWAITING_PAYMENT)
    return (OrderAwaitingPayment(replace(awaiting, extended=extended, expires_at=expires_at, offer=False)),)


def _sell(order: Order, command: Sell, now: Instant) -> Decision:
    if command.attempt != order.attempt:
        return AttemptOver()
    if command.amount != order.price:
        return WrongAmount()
    return (OrderCompleted(replace(_next(order, now, OrderStatus.COMPLETE), charge_id=command.charge_id)),)


def _release(order: Order, command: Release, now: Instant) -> Decision:
    if command.attempt != order.attempt or order.status is OrderStatus.CREATED:
        return UNCHANGED  # a repeat: this attempt's failure has been dealt with
    if not command.counts or order.counted_attempts < command.max_attempts:
        reopened = _next(order, now, OrderStatus.CREATED)
        uncounted = order.uncounted + (not command.counts)
        return (OrderReopened(replace(reopened, attempt=order.attempt + 1, uncounted=uncounted)),)
    return (OrderCancelled(_ended(order, CancelReason.DECLINED, now)),)


def _start_refund(ticket: Ticket, order: Order, command: StartRefund, now: Instant) -> Decision:
    # What its seller began, an administrator takes over: then it ends withdrawn.
    is_sellers = order.refund_by in (None, ticket.seller_id)
    if order.refunding and not (is_sellers and command.is_admin and command.user_id != ticket.seller_id):
        return UNCHANGED
    if _has_begun(ticket, now) and not command.is_admin:
        return ShowStarted()
    return (OrderRefunding(replace(_next(order, now, order.status), refunding=True, refund_by=command.user_id)),)


def _has_begun(ticket: Ticket, now: Instant) -> bool:
    return ticket.details.starts_at is not None and ticket.details.starts_at <= now


def _until_the_beginning(ticket: Ticket, end: Instant) -> Instant:
    """Return the end of a hold: it never outlasts the beginning of its event."""
    starts_at = ticket.details.starts_at
    return end if starts_at is None else min(end, starts_at)


def _ended(order: Order, reason: CancelReason, now: Instant) -> Order:
    return replace(_next(order, now, OrderStatus.CANCELLED), cancel_reason=reason, refunding=False)


def _next(order: Order, now: Instant, status: OrderStatus) -> Order:
    return replace(order, status=status, updated_at=now, version=order.version + 1)


def _same_request(order: Order, command: Reserve) -> bool:
    return (order.buyer_id, order.ticket_id, order.request) == (command.buyer_id, command.ticket_id, command.request)


def _unchanged_if(same: bool) -> Decision:  # noqa: FBT001 - reads as a sentence
    return UNCHANGED if same else RequestMismatch()


def _order_of(ticket: Ticket) -> Order:
    if ticket.order is None:
        raise ValueError(f"ticket {ticket.id} is {ticket.status} without an order")
    return ticket.order


def evolve(ticket: Ticket | None, event: TicketEvent, at: Instant, ticket_id: str) -> Ticket:
    """The ticket after the event; its version is one higher, the first is 1."""
    match event:
        case TicketCreated():
            return Ticket(ticket_id, event.seller_id, event.details, 1, at, at, request=event.request)
        case _ if ticket is None:
            raise ValueError(f"{type(event).__name__} before TicketCreated of ticket {ticket_id}")
        case TicketUpdated():
            ticket = replace(ticket, details=event.details, edited=ticket.version + 1)
        case TicketWithdrawn():
            ticket = replace(ticket, withdrawn=True, waiting=())
        case TicketSuspended() | TicketReinstated():
            ticket = replace(ticket, suspended=isinstance(event, TicketSuspended))
        case WaiterJoined():
            waiter = Waiter(event.user_id, event.max_price)
            ticket = replace(ticket, waiting=waiting_list.with_waiter(ticket.waiting, waiter))
        case WaiterLeft():
            ticket = replace(ticket, waiting=waiting_list.without(ticket.waiting, event.user_id))
        case WaitingListClosed():
            ticket = replace(ticket, waiting=(), waiting_closed=ticket.status is TicketStatus.RESERVED)
        case OrderEvent():
            holds = unpaid_holds.remember(ticket.unpaid_holds, event.order)
            waiting, is_closed = _line_after(ticket, event)
            order = _order_after(event)
            ticket = replace(ticket, order=order, unpaid_holds=holds, waiting=waiting, waiting_closed=is_closed)
        case _:
            assert_never(event)
    return replace(ticket, version=ticket.version + 1, updated_at=at)


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


def fold(ticket: Ticket | None, events: Iterable[tuple[TicketEvent, Instant]], ticket_id: str) -> Ticket | None:
    """The ticket after all the events, each with its instant, in order of version."""
    for event, at in events:
        ticket = evolve(ticket, event, at, ticket_id)
    return ticket
