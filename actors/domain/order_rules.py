"""How an order for a ticket begins, goes on and ends."""

from dataclasses import replace

from actors.domain import fees, unpaid_holds, waiting_list
from actors.domain.decision import UNCHANGED, Decision, DecisionContext
from actors.domain.instants import Instant
from actors.domain.refusals import (
    AttemptOver,
    EditedSince,
    HeldTooOften,
    PriceChanged,
    Refusal,
    SellerCannotBuy,
    ShowStarted,
    TooManyHolds,
    TooManyUnpaidHolds,
    WrongAmount,
)
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import Release, Reserve, Sell, StartRefund
from actors.domain.ticket_events import (
    OfferAccepted,
    OrderAwaitingPayment,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderRefunding,
    OrderReopened,
    WaiterLeft,
)
from actors.domain.ticket_values import CancelReason, Order, OrderStatus
from actors.domain.unpaid_holds import MOST_OF_A_TICKET


def reserve(ticket: Ticket, command: Reserve, now: Instant, context: DecisionContext) -> Decision:
    """Hold the ticket for a buyer, or say which rule is against it."""
    if command.buyer_id == ticket.seller_id:
        return SellerCannotBuy()
    if has_begun(ticket, now):
        return ShowStarted()
    if (refusal := not_as_expected(ticket, command)) is not None:
        return refusal
    if (refusal := _too_many(ticket, command, now, context)) is not None:
        return refusal
    expires_at = until_the_show(ticket, now + command.window)
    order = order_for(
        ticket, command.order_id, command.buyer_id, now, expires_at, fee=context.fee, request=command.request
    )
    is_waiting = waiting_list.place_in(ticket.waiting, command.buyer_id) is not None
    return (WaiterLeft(command.buyer_id), OrderCreated(order)) if is_waiting else (OrderCreated(order),)


def order_for(  # noqa: PLR0913 - what an order has besides what is bought
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


def not_as_expected(ticket: Ticket, command: Reserve) -> Refusal | None:
    """What the buyer saw and what there is differ: no price is charged and no ticket sold that was not accepted."""
    if command.expected_price not in (None, ticket.details.price):
        return PriceChanged(ticket.details.price)
    if command.expected_version is not None and command.expected_version < ticket.edited:
        return EditedSince()
    return None


def accept(ticket: Ticket, order: Order, window_ms: int, now: Instant) -> Decision:
    """The buyer asks for what they hold: nothing changes, unless it is an offer, which can be accepted once."""
    if not order.offer or order.status is not OrderStatus.CREATED:
        return UNCHANGED
    expires_at = max(order.expires_at, until_the_show(ticket, now + window_ms))
    return (OfferAccepted(next_order(order, now, offer=False, expires_at=expires_at)),)


def _too_many(ticket: Ticket, command: Reserve, now: Instant, context: DecisionContext) -> Refusal | None:
    if command.is_limited:
        ends = (hold.ended_at for hold in ticket.unpaid_holds if hold.buyer_id == command.buyer_id)
        allowed_at = unpaid_holds.allowed_at(ends, MOST_OF_A_TICKET)
        if now < allowed_at:
            return HeldTooOften(_seconds(allowed_at - now))
    if command.max_holds is not None and context.open_holds >= command.max_holds:
        return TooManyHolds(command.max_holds, _seconds(context.first_end - now))
    if command.is_limited and now < context.unpaid_until:
        return TooManyUnpaidHolds(_seconds(context.unpaid_until - now))
    return None


def _seconds(milliseconds: int) -> int:
    """Return whole seconds that are not too few, at least one."""
    return max(1, -(-milliseconds // 1_000))


def start_payment(ticket: Ticket, order: Order, grace_ms: int, now: Instant) -> Decision:
    """Let a payment begin, with time enough for its answer."""
    if order.status is OrderStatus.AWAITING_PAYMENT:
        return UNCHANGED
    extended = order.extended or order.expires_at - now < grace_ms
    latest = order.expires_at if order.extended else until_the_show(ticket, now + grace_ms)
    expires_at = max(order.expires_at, latest)
    awaiting = OrderStatus.AWAITING_PAYMENT
    changed = next_order(order, now, status=awaiting, extended=extended, expires_at=expires_at, offer=False)
    return (OrderAwaitingPayment(changed),)


def sell(order: Order, command: Sell, now: Instant) -> Decision:
    """Complete the order with the charge that paid for it."""
    if command.attempt != order.attempt:
        return AttemptOver()
    if command.amount != order.price:
        return WrongAmount()
    return (OrderCompleted(next_order(order, now, status=OrderStatus.COMPLETE, charge_id=command.charge_id)),)


def release(order: Order, command: Release, now: Instant) -> Decision:
    """Let another attempt to pay follow one that failed, or end the order."""
    if command.attempt != order.attempt or order.status is OrderStatus.CREATED:
        return UNCHANGED  # a repeat: this attempt's failure has been dealt with
    if not command.counts or order.counted_attempts < command.max_attempts:
        uncounted = order.uncounted + (not command.counts)
        created = OrderStatus.CREATED
        return (OrderReopened(next_order(order, now, status=created, attempt=order.attempt + 1, uncounted=uncounted)),)
    return (OrderCancelled(ended_order(order, CancelReason.DECLINED, now)),)


def start_refund(ticket: Ticket, order: Order, command: StartRefund, now: Instant) -> Decision:
    """Have the money of a sale given back."""
    # What its seller began, an administrator takes over: then it ends withdrawn.
    is_sellers = order.refund_by in (None, ticket.seller_id)
    if order.refunding and not (is_sellers and command.is_admin and command.user_id != ticket.seller_id):
        return UNCHANGED
    if has_begun(ticket, now) and not command.is_admin:
        return ShowStarted()
    return (OrderRefunding(next_order(order, now, refunding=True, refund_by=command.user_id)),)


def has_begun(ticket: Ticket, now: Instant) -> bool:
    """Whether the event has begun, so that nothing of it is sold any more."""
    return ticket.details.starts_at is not None and ticket.details.starts_at <= now


def until_the_show(ticket: Ticket, end: Instant) -> Instant:
    """Return the end of a hold: it never outlasts the beginning of its event."""
    starts_at = ticket.details.starts_at
    return end if starts_at is None else min(end, starts_at)


def ended_order(order: Order, reason: CancelReason, now: Instant) -> Order:
    """Return the order as it is when it lets go of its ticket."""
    return next_order(order, now, status=OrderStatus.CANCELLED, cancel_reason=reason, refunding=False)


def next_order(order: Order, now: Instant, **changes: object) -> Order:
    """Return the next version of the order, with these fields changed."""
    return replace(order, version=order.version + 1, updated_at=now, **changes)  # type: ignore[arg-type]


def same_request(order: Order, command: Reserve) -> bool:
    """Whether the order came of this very command."""
    return (order.buyer_id, order.ticket_id, order.request) == (command.buyer_id, command.ticket_id, command.request)
