"""The line for a held ticket: who is offered what is released, for how long, and when the line ends."""

from dataclasses import replace

import pytest

from actors.domain.decision import DecisionContext
from actors.domain.refusals import PriceChanged, WaitingListFull, WaitingListOver
from actors.domain.ticket import Ticket, evolve
from actors.domain.ticket_commands import (
    CloseWaitingList,
    JoinWaitingList,
    LeaveWaitingList,
    Release,
    Reserve,
    SuspendTicket,
)
from actors.domain.ticket_events import (
    OfferAccepted,
    OrderAwaitingPayment,
    OrderCancelled,
    OrderCreated,
    OrderExpired,
    TicketWithdrawn,
    WaiterJoined,
    WaiterLeft,
    WaitingListClosed,
)
from actors.domain.ticket_values import OrderStatus, TicketDetails, TicketStatus
from actors.domain.unpaid_holds import ended_unpaid
from actors.domain.waiting_list import MOST_IN_LINE, Waiter, offer_id, place_in
from tests.support.examples import (
    ANOTHER,
    ANOTHER_ORDER,
    BUYER,
    CANCELLATION,
    CHARGE,
    DETAILS,
    GRACE,
    NOW,
    ORDER,
    SALE,
    SELLER,
    START,
    TICKET,
    WINDOW,
    creation,
    handle,
    order_of,
    reservation,
    ticket_after,
)

FIRST, SECOND = ANOTHER, "7" * 24
OFFER = 600_000
EVERYBODY = DecisionContext(may_buy=frozenset({BUYER, FIRST, SECOND}), offer_window_ms=OFFER)
DECLINE = Release(TICKET, ORDER, attempt=1, max_attempts=1)


def waited_for(*waiting: JoinWaitingList, details: TicketDetails = DETAILS) -> Ticket:
    return ticket_after(creation(details), reservation(), *(waiting or (joining(FIRST), joining(SECOND))))


def joining(user_id: str, max_price: int | None = None) -> JoinWaitingList:
    return JoinWaitingList(TICKET, user_id, max_price)


def offered() -> Ticket:
    """The ticket, offered to the first of two."""
    ticket, _, _ = handle(waited_for(), CANCELLATION, NOW, EVERYBODY)
    assert ticket is not None
    return ticket


def names(events: tuple[object, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


# The line


def test_people_wait_in_the_order_in_which_they_came() -> None:
    line = waited_for().waiting
    assert [place_in(line, user_id) for user_id in (FIRST, SECOND, BUYER)] == [1, 2, None]


def test_a_waiter_keeps_their_place_with_another_price_limit() -> None:
    ticket, events, _ = handle(waited_for(), joining(FIRST, 4_000))
    assert ticket is not None
    assert events == (WaiterJoined(FIRST, 4_000),)
    assert ticket.waiting == (Waiter(FIRST, 4_000), Waiter(SECOND))


def test_a_waiter_who_left_rejoins_at_the_end() -> None:
    left, events, _ = handle(waited_for(), LeaveWaitingList(TICKET, FIRST))
    assert events == (WaiterLeft(FIRST),)
    again, _, _ = handle(left, joining(FIRST))
    assert again is not None
    assert again.waiting == (Waiter(SECOND), Waiter(FIRST))


def test_the_line_is_full_with_a_hundred_and_they_can_still_name_another_limit() -> None:
    everybody = [joining(f"{number:024x}") for number in range(MOST_IN_LINE)]
    full = waited_for(*everybody)
    assert handle(full, joining(FIRST))[2] == WaitingListFull()
    assert handle(full, joining(everybody[0].user_id, 4_000))[2] is None


def test_coming_and_going_is_no_edit() -> None:
    assert waited_for().edited == 1


# The offer


@pytest.mark.parametrize(("command", "ending"), [(CANCELLATION, OrderCancelled), (DECLINE, OrderCancelled)])
def test_a_released_ticket_is_offered_to_the_first_in_line_in_the_same_commit(
    command: Release, ending: type[OrderCancelled]
) -> None:
    being_paid = ticket_after(creation(), reservation(), joining(FIRST), joining(SECOND), START)
    ticket, events, _ = handle(being_paid, command, NOW, EVERYBODY)
    assert [type(event) for event in events] == [ending, OrderCreated]
    order = order_of(ticket)
    assert (order.buyer_id, order.offer, order.expires_at, order.price) == (FIRST, True, NOW + OFFER, DETAILS.price)
    assert order.id == offer_id(TICKET, being_paid.version + 2)
    assert ticket is not None
    assert ticket.waiting == (Waiter(SECOND),)
    assert ticket.status is TicketStatus.RESERVED


def test_an_expired_hold_is_offered_to_the_first_in_line_whatever_command_comes_next() -> None:
    ticket, events, _ = handle(waited_for(), reservation(ANOTHER_ORDER, SECOND), NOW + WINDOW, EVERYBODY)
    assert names(events) == [OrderExpired.__name__, OrderCreated.__name__]
    assert order_of(ticket).buyer_id == FIRST


def test_a_waiter_with_a_limit_below_the_price_is_passed_over_and_keeps_waiting() -> None:
    ticket = waited_for(joining(FIRST, DETAILS.price - 1), joining(SECOND, DETAILS.price))
    ticket, _, _ = handle(ticket, CANCELLATION, NOW, EVERYBODY)  # type: ignore[assignment]
    assert order_of(ticket).buyer_id == SECOND
    assert ticket.waiting == (Waiter(FIRST, DETAILS.price - 1),)


def test_a_waiter_who_may_not_buy_is_passed_over() -> None:
    only = replace(EVERYBODY, may_buy=frozenset({SECOND}))
    assert order_of(handle(waited_for(), CANCELLATION, NOW, only)[0]).buyer_id == SECOND


def test_a_ticket_that_fits_nobody_is_for_sale() -> None:
    ticket, events, _ = handle(waited_for(), CANCELLATION, NOW, replace(EVERYBODY, may_buy=frozenset()))
    assert names(events) == [OrderCancelled.__name__]
    assert ticket is not None
    assert (ticket.status, len(ticket.waiting)) == (TicketStatus.AVAILABLE, 2)


def test_an_offer_that_expires_goes_to_the_next_waiter_and_then_the_ticket_is_for_sale() -> None:
    ticket, events, _ = handle(offered(), reservation(ANOTHER_ORDER), NOW + OFFER, EVERYBODY)
    assert names(events) == [OrderExpired.__name__, OrderCreated.__name__]
    assert order_of(ticket).buyer_id == SECOND
    ticket, _, refusal = handle(ticket, reservation(ANOTHER_ORDER), NOW + 2 * OFFER, EVERYBODY)
    assert refusal is None
    assert order_of(ticket).buyer_id == BUYER


def test_a_waiter_who_let_an_offer_expire_leaves_the_line() -> None:
    ticket, _, _ = handle(offered(), reservation(ANOTHER_ORDER), NOW + OFFER, EVERYBODY)
    assert ticket is not None
    assert place_in(ticket.waiting, FIRST) is None


def test_an_offer_expires_when_the_show_starts_at_the_latest() -> None:
    soon = waited_for(details=replace(DETAILS, starts_at=NOW + OFFER // 2))
    assert order_of(handle(soon, CANCELLATION, NOW, EVERYBODY)[0]).expires_at == NOW + OFFER // 2


def test_nothing_is_offered_once_the_show_started() -> None:
    begins = NOW + WINDOW // 2
    soon = waited_for(details=replace(DETAILS, starts_at=begins))
    assert names(handle(soon, CANCELLATION, begins, EVERYBODY)[1]) == [OrderExpired.__name__]


def test_the_ticket_of_a_seller_who_may_not_sell_is_withdrawn_before_any_offer() -> None:
    suspended, _, _ = handle(waited_for(), SuspendTicket(TICKET))
    ticket, events, _ = handle(suspended, CANCELLATION, NOW, EVERYBODY)
    assert names(events) == [OrderCancelled.__name__, TicketWithdrawn.__name__]
    assert ticket is not None
    assert ticket.waiting == ()


def test_nobody_joins_the_line_for_the_ticket_of_a_seller_who_may_not_sell() -> None:
    suspended, _, _ = handle(waited_for(), SuspendTicket(TICKET))
    assert handle(suspended, joining("8" * 24))[2] == WaitingListOver()


# Taking it


def test_an_offer_is_accepted_once_and_then_has_the_time_of_a_hold() -> None:
    wish = Reserve(TICKET, ANOTHER_ORDER, FIRST, WINDOW, DETAILS.price)
    ticket, events, _ = handle(offered(), wish, NOW + 1, EVERYBODY)
    assert names(events) == [OfferAccepted.__name__]
    accepted = order_of(ticket)
    assert (accepted.offer, accepted.expires_at) == (False, NOW + 1 + WINDOW)
    assert accepted.id == order_of(offered()).id
    assert handle(ticket, wish, NOW + 2, EVERYBODY)[1:] == ((), None)


def test_an_offer_is_not_accepted_at_a_price_that_its_buyer_did_not_see() -> None:
    wish = Reserve(TICKET, ANOTHER_ORDER, FIRST, WINDOW, DETAILS.price + 1)
    assert handle(offered(), wish, NOW, EVERYBODY)[2] == PriceChanged(DETAILS.price)


def test_an_offer_is_accepted_by_paying() -> None:
    order = order_of(offered())
    ticket, events, _ = handle(offered(), replace(START, order_id=order.id), NOW, EVERYBODY)
    assert names(events) == [OrderAwaitingPayment.__name__]
    assert not order_of(ticket).offer
    ticket, _, refusal = handle(ticket, replace(SALE, order_id=order.id, charge_id=CHARGE), NOW, EVERYBODY)
    assert refusal is None
    assert order_of(ticket).status is OrderStatus.COMPLETE


def test_an_offer_that_expires_is_not_an_unpaid_hold_but_an_accepted_one_is() -> None:
    passed, events, _ = handle(offered(), reservation(ANOTHER_ORDER), NOW + OFFER, EVERYBODY)
    assert isinstance(events[0], OrderExpired)
    assert not ended_unpaid(events[0].order)
    assert passed is not None
    assert FIRST not in [hold.buyer_id for hold in passed.unpaid_holds]
    accepted, _, _ = handle(offered(), Reserve(TICKET, ANOTHER_ORDER, FIRST, GRACE), NOW, EVERYBODY)
    over, _, _ = handle(accepted, replace(CANCELLATION, order_id=order_of(accepted).id), NOW, EVERYBODY)
    assert over is not None
    assert FIRST in [hold.buyer_id for hold in over.unpaid_holds]


# The end of the line


def test_a_sale_ends_the_line() -> None:
    assert ticket_after(creation(), reservation(), joining(FIRST), SALE).waiting == ()


def test_a_line_that_its_seller_closed_gets_nothing_and_takes_nobody() -> None:
    closed, events, _ = handle(waited_for(), CloseWaitingList(TICKET, SELLER))
    assert events == (WaitingListClosed(),)
    assert handle(closed, joining(FIRST))[2] == WaitingListOver()
    ticket, events, _ = handle(closed, CANCELLATION, NOW, EVERYBODY)
    assert names(events) == [OrderCancelled.__name__]
    assert ticket is not None
    assert (ticket.status, ticket.waiting) == (TicketStatus.AVAILABLE, ())


def test_the_next_hold_has_a_line_again() -> None:
    closed, _, _ = handle(waited_for(), CloseWaitingList(TICKET, SELLER))
    for command in (CANCELLATION, reservation(ANOTHER_ORDER), joining(FIRST)):
        closed, _, refusal = handle(closed, command, NOW, EVERYBODY)
        assert refusal is None


def test_a_buyer_does_not_wait_any_more() -> None:
    nobody = replace(EVERYBODY, may_buy=frozenset())
    released, _, _ = handle(waited_for(), CANCELLATION, NOW, nobody)
    bought, _, _ = handle(released, reservation(ANOTHER_ORDER, SECOND), NOW, nobody)
    assert bought is not None
    assert bought.waiting == (Waiter(FIRST),)


def test_an_event_of_the_line_raises_the_version_by_one() -> None:
    ticket = waited_for()
    assert evolve(ticket, WaiterLeft(FIRST), NOW, TICKET).version == ticket.version + 1
