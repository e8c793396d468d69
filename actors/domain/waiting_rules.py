"""Who may wait for a ticket that somebody holds."""

from actors.domain import order_rules, waiting_list
from actors.domain.decision import UNCHANGED, Decision
from actors.domain.instants import Instant
from actors.domain.refusals import (
    HeldByYou,
    NotReserved,
    Refusal,
    SellerCannotBuy,
    ShowStarted,
    WaitingListFull,
    WaitingListOver,
)
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import JoinWaitingList
from actors.domain.ticket_events import WaiterJoined, WaitingListClosed
from actors.domain.ticket_values import Order, TicketStatus
from actors.domain.waiting_list import MOST_IN_LINE, Waiter


def join(ticket: Ticket, order: Order, command: JoinWaitingList) -> Decision:
    """Put somebody into the line, or say which rule is against it."""
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


def refused_to_wait(ticket: Ticket, command: JoinWaitingList, now: Instant) -> Refusal:
    """Say why nobody waits for a ticket that nobody holds."""
    if command.user_id == ticket.seller_id:
        return SellerCannotBuy()
    return ShowStarted() if order_rules.has_begun(ticket, now) else NotReserved()


def close_line(ticket: Ticket) -> Decision:
    """Send everybody away who waits, and let nobody else join during this hold."""
    is_joinable = ticket.status is TicketStatus.RESERVED and not ticket.waiting_closed
    return (WaitingListClosed(),) if ticket.waiting or is_joinable else UNCHANGED
