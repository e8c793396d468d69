"""The rules of a ticket that depend on time, attempts, prices and what was before."""

from dataclasses import replace

import pytest

from actors.domain.decision import DecisionContext
from actors.domain.refusals import OrderClosed, PriceChanged, RequestMismatch, ShowStarted, TooManyHolds
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import CancelSale, EditTicket, Expire, Release, Reserve, StartPayment
from actors.domain.ticket_events import OrderCancelled, OrderCreated, OrderExpired, OrderReopened
from actors.domain.ticket_rules import decide, due
from actors.domain.ticket_values import CancelReason, OrderStatus, TicketDetails, TicketStatus
from tests.support.examples import (
    ANOTHER,
    ANOTHER_ORDER,
    BUYER,
    CANCELLATION,
    DETAILS,
    EXPIRY,
    GRACE,
    NOW,
    ORDER,
    RELEASE,
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

END = NOW + WINDOW


@pytest.fixture
def available() -> Ticket:
    return ticket_after(creation())


@pytest.fixture
def held() -> Ticket:
    return ticket_after(creation(), reservation())


@pytest.fixture
def being_paid() -> Ticket:
    return ticket_after(creation(), reservation(), START)


# Time


def test_a_hold_does_not_expire_in_its_last_millisecond(held: Ticket) -> None:
    assert due(held, END - 1) == ()


def test_a_hold_expires_at_its_end(held: Ticket) -> None:
    (expired,) = due(held, END)
    assert isinstance(expired, OrderExpired)
    assert (expired.order.status, expired.order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.EXPIRED)


def test_a_sold_ticket_never_expires() -> None:
    assert due(ticket_after(creation(), reservation(), SALE), END + WINDOW) == ()


def test_expiry_wins_over_a_payment_that_comes_late(being_paid: Ticket) -> None:
    ticket, events, refusal = handle(being_paid, SALE, END)
    assert [type(event) for event in events] == [OrderExpired]
    assert refusal == OrderClosed()
    assert ticket is not None
    assert ticket.status is TicketStatus.AVAILABLE


def test_a_payment_in_the_last_millisecond_before_the_expiry_wins(being_paid: Ticket) -> None:
    ticket, _, refusal = handle(being_paid, SALE, END - 1)
    assert refusal is None
    assert order_of(ticket).status is OrderStatus.COMPLETE


def test_a_buyer_who_comes_after_the_expiry_gets_the_ticket(held: Ticket) -> None:
    ticket, events, _ = handle(held, reservation(ANOTHER_ORDER, ANOTHER), END)
    assert [type(event) for event in events] == [OrderExpired, OrderCreated]
    assert order_of(ticket).buyer_id == ANOTHER


def test_an_expiry_timer_releases_only_the_hold_that_it_names(held: Ticket) -> None:
    ticket, _, _ = handle(held, reservation(ANOTHER_ORDER, ANOTHER), END)
    assert decide(ticket, EXPIRY, END) == OrderClosed()
    assert handle(ticket, EXPIRY, END)[0] == ticket


def test_an_expiry_timer_of_an_extended_hold_changes_nothing(held: Ticket) -> None:
    extended, _, _ = handle(held, START, END - 1)
    assert handle(extended, Expire(TICKET, ORDER), END)[:2] == (extended, ())


# Extension


def test_a_payment_that_starts_late_extends_the_hold_to_the_grace(held: Ticket) -> None:
    late = END - 10_000
    order = order_of(handle(held, START, late)[0])
    assert (order.expires_at, order.extended) == (late + GRACE, True)


@pytest.mark.parametrize("left", [GRACE, GRACE + 1, WINDOW])
def test_a_payment_that_starts_in_time_does_not_extend_the_hold(held: Ticket, left: int) -> None:
    order = order_of(handle(held, START, END - left)[0])
    assert (order.expires_at, order.extended) == (END, False)


def test_a_hold_is_extended_once_only(held: Ticket) -> None:
    late = END - 10_000
    extended, _, _ = handle(held, START, late)
    reopened, _, _ = handle(extended, replace(RELEASE, max_attempts=3), late + 1_000)
    again, _, _ = handle(reopened, START, late + 50_000)
    assert order_of(again).status is OrderStatus.AWAITING_PAYMENT
    assert order_of(again).expires_at == late + GRACE


def test_starting_again_while_being_paid_does_not_extend(being_paid: Ticket) -> None:
    assert handle(being_paid, START, END - 1)[:2] == (being_paid, ())


def test_resuming_without_grace_does_not_use_the_extension_up(held: Ticket) -> None:
    order = order_of(handle(held, StartPayment(TICKET, ORDER, grace=0), END - 1)[0])
    assert (order.expires_at, order.extended) == (END, False)


# Attempts


def test_a_failed_payment_reopens_the_order_while_attempts_are_left(being_paid: Ticket) -> None:
    decision = decide(being_paid, replace(RELEASE, max_attempts=2), NOW)
    assert isinstance(decision, tuple)
    (event,) = decision
    assert isinstance(event, OrderReopened)
    assert (event.order.status, event.order.attempt, event.order.expires_at) == (OrderStatus.CREATED, 2, END)


def test_the_last_failed_payment_cancels_the_order(being_paid: Ticket) -> None:
    decision = decide(being_paid, RELEASE, NOW)
    assert isinstance(decision, tuple)
    (event,) = decision
    assert isinstance(event, OrderCancelled)
    assert event.order.cancel_reason is CancelReason.DECLINED


def test_the_failure_of_an_earlier_attempt_does_not_end_a_later_one(being_paid: Ticket) -> None:
    first = Release(TICKET, ORDER, attempt=1, max_attempts=2)
    reopened, _, _ = handle(being_paid, first)
    second, _, _ = handle(reopened, START)
    assert handle(second, first)[:2] == (second, ())


def test_a_sale_can_be_cancelled_and_says_why() -> None:
    sold = ticket_after(creation(), reservation(), START, SALE)
    ticket, (event,), _ = handle(sold, CancelSale(TICKET, ORDER, CancelReason.CAPTURE_FAILED))
    assert isinstance(event, OrderCancelled)
    assert event.order.cancel_reason is CancelReason.CAPTURE_FAILED
    assert ticket is not None
    assert ticket.status is TicketStatus.AVAILABLE


# Prices, limits and beginnings


def test_an_order_keeps_the_price_at_which_the_ticket_was_held(available: Ticket) -> None:
    dearer, _, _ = handle(available, EditTicket(TICKET, SELLER, TicketDetails("Chamber music", 7_000, "usd")))
    assert order_of(handle(dearer, reservation())[0]).price == 7_000


def test_a_buyer_never_gets_another_price_than_the_expected_one(available: Ticket) -> None:
    assert decide(available, reservation(expected_price=4_999), NOW) == PriceChanged(DETAILS.price)
    assert isinstance(decide(available, reservation(expected_price=DETAILS.price), NOW), tuple)


def test_a_holder_who_expects_another_price_is_told_the_price(held: Ticket) -> None:
    assert decide(held, reservation(ANOTHER_ORDER, expected_price=4_999), NOW) == PriceChanged(DETAILS.price)


@pytest.mark.parametrize(("open_holds", "accepted"), [(2, True), (3, False), (4, False)])
def test_a_buyer_holds_no_more_tickets_than_allowed(available: Ticket, open_holds: int, *, accepted: bool) -> None:
    decision = decide(available, reservation(max_holds=3), NOW, DecisionContext(open_holds=open_holds))
    assert isinstance(decision, tuple) if accepted else decision == TooManyHolds(3)


@pytest.mark.parametrize("starts_in", [1, WINDOW - 1, WINDOW, WINDOW + 1])
def test_a_hold_expires_when_the_show_starts_at_the_latest(starts_in: int) -> None:
    held = ticket_after(creation(replace(DETAILS, starts_at=NOW + starts_in)), reservation())
    assert order_of(held).expires_at == NOW + min(starts_in, WINDOW)


def test_a_payment_does_not_extend_a_hold_beyond_the_start_of_the_show() -> None:
    starts_at = NOW + WINDOW + GRACE // 2
    held = ticket_after(creation(replace(DETAILS, starts_at=starts_at)), reservation())
    order = order_of(handle(held, START, NOW + WINDOW - 1)[0])
    assert (order.expires_at, order.extended) == (starts_at, True)
    ended = order_of(handle(ticket_after(creation(replace(DETAILS, starts_at=NOW + 1)), reservation()), START)[0])
    assert ended.expires_at == NOW + 1


@pytest.mark.parametrize(("starts_at", "accepted"), [(NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_a_ticket_to_a_show_that_started_is_not_for_sale(starts_at: int, *, accepted: bool) -> None:
    ticket = ticket_after(creation(replace(DETAILS, starts_at=starts_at)))
    decision = decide(ticket, reservation(), NOW)
    assert isinstance(decision, tuple) if accepted else decision == ShowStarted()


# Requests that arrive again


@pytest.mark.parametrize("sold", [False, True])
def test_a_reservation_with_the_fingerprint_of_another_request_is_refused(*, sold: bool) -> None:
    ticket = ticket_after(creation(), reservation(request="one"), *((START, SALE) if sold else ()))
    assert decide(ticket, reservation(request="two"), NOW) == RequestMismatch()
    assert decide(ticket, reservation(request="one"), NOW) == ()


def test_a_reservation_that_arrives_again_after_its_cancellation_is_not_revived(held: Ticket) -> None:
    ticket, (event,), _ = handle(held, CANCELLATION)
    assert isinstance(event, OrderCancelled)
    assert decide(ticket, reservation(), NOW, DecisionContext(earlier_order=event.order)) == ()


@pytest.mark.parametrize(
    "again",
    [
        reservation(buyer_id=ANOTHER),
        reservation(request="another"),
        Reserve("2" * 24, ORDER, BUYER, WINDOW),
    ],
    ids=["another buyer", "another request", "another ticket"],
)
def test_the_id_of_an_earlier_order_cannot_be_used_for_something_else(held: Ticket, again: Reserve) -> None:
    context = DecisionContext(earlier_order=order_of(held))
    assert decide(ticket_after(creation()), again, NOW, context) == RequestMismatch()
