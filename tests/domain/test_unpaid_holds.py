"""Holding again and again without paying ends: three times a ticket and buyer within an hour, 30 times a buyer."""

import json
from dataclasses import replace

import pytest

from actors.domain.codec import decode, encode
from actors.domain.decision import DecisionContext
from actors.domain.refusals import HeldTooOften, Refusal, TooManyHolds, TooManyUnpaidHolds
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import CancelSale, CreateTicket, ReadTicket, Reserve, TicketCommand
from actors.domain.ticket_rules import decide
from actors.domain.ticket_values import CancelReason
from actors.domain.unpaid_holds import HOUR_MS, REMEMBERED, allowed_at
from tests.support.examples import (
    ANOTHER,
    BUYER,
    CANCELLATION,
    DETAILS,
    GRACE,
    NOW,
    ORDER,
    RELEASE,
    SALE,
    START,
    TICKET,
    WINDOW,
    creation,
    handle,
    reservation,
    ticket_after,
)

SECOND = 1_000


def after_holds(*ends: int, buyer: str = BUYER, ticket: Ticket | None = None) -> Ticket:
    """A ticket that the buyer held and let go of at these instants."""
    ticket = ticket or ticket_after(creation())
    for number, at in enumerate(ends):
        order_id = f"{buyer[:12]}{number:012x}"
        ticket = done(ticket, reservation(order_id, buyer), at)
        ticket = done(ticket, replace(CANCELLATION, order_id=order_id), at)
    return ticket


def done(ticket: Ticket | None, command: TicketCommand, at: int = NOW) -> Ticket:
    after, _, refusal = handle(ticket, command, at)
    assert after is not None
    assert refusal is None, refusal
    return after


def refusal_at(ticket: Ticket, now: int, command: Reserve | None = None) -> Refusal | None:
    decision = decide(ticket, command or reservation(), now)
    return decision if isinstance(decision, Refusal) else None


def test_the_fourth_hold_within_an_hour_is_refused_until_the_first_end_is_an_hour_ago() -> None:
    ticket = after_holds(NOW, NOW + SECOND, NOW + 2 * SECOND)
    refusal = refusal_at(ticket, NOW + 3 * SECOND)
    assert refusal == HeldTooOften()
    assert isinstance(refusal, HeldTooOften)
    assert refusal.retry_after_seconds == HOUR_MS // SECOND - 3
    assert refusal_at(ticket, NOW + HOUR_MS - 1) == HeldTooOften()
    assert refusal_at(ticket, NOW + HOUR_MS) is None


def test_the_remaining_wait_is_rounded_up_to_a_second() -> None:
    refusal = refusal_at(after_holds(NOW, NOW, NOW), NOW + HOUR_MS - 1)
    assert isinstance(refusal, HeldTooOften)
    assert refusal.retry_after_seconds == 1


def test_two_holds_that_ended_unpaid_are_no_reason_to_refuse_a_third() -> None:
    assert refusal_at(after_holds(NOW, NOW), NOW) is None


def test_unpaid_holds_of_one_buyer_do_not_count_for_another() -> None:
    ticket = after_holds(NOW, NOW, NOW)
    assert refusal_at(ticket, NOW, reservation(buyer_id=ANOTHER)) is None


@pytest.mark.parametrize(
    ("ending", "counts"),
    [
        ((CANCELLATION,), True),
        ((START, RELEASE), True),
        ((), True),
        ((START, SALE, CancelSale(TICKET, ORDER, CancelReason.REFUNDED)), False),
        ((START, SALE, CancelSale(TICKET, ORDER, CancelReason.CAPTURE_FAILED)), False),
    ],
    ids=["let go", "declined", "expired", "refunded", "capture failed"],
)
def test_a_hold_that_was_released_declined_or_expired_counts_as_unpaid(
    ending: tuple[TicketCommand, ...], *, counts: bool
) -> None:
    ticket = done(after_holds(NOW, NOW), reservation())
    for command in ending:
        ticket = done(ticket, command)
    ticket = done(ticket, ReadTicket(TICKET), NOW + WINDOW)
    assert (refusal_at(ticket, NOW + WINDOW, reservation("0" * 24)) == HeldTooOften()) is counts


def test_lifted_limits_allow_any_number_of_unpaid_holds() -> None:
    command = replace(reservation(), is_limited=False)
    assert refusal_at(after_holds(NOW, NOW, NOW), NOW, command) is None
    free = DecisionContext(unpaid_until=NOW + 1)
    assert isinstance(decide(ticket_after(creation()), command, NOW, free), tuple)


def test_a_buyer_with_too_many_unpaid_holds_of_all_tickets_waits() -> None:
    ticket = ticket_after(creation())
    decision = decide(ticket, reservation(), NOW, DecisionContext(unpaid_until=NOW + 1_001))
    assert isinstance(decision, TooManyUnpaidHolds)
    assert decision.retry_after_seconds == 2
    assert isinstance(decide(ticket, reservation(), NOW, DecisionContext(unpaid_until=NOW)), tuple)


def test_a_buyer_with_too_many_holds_is_told_when_the_first_of_them_expires() -> None:
    around = DecisionContext(open_holds=3, first_end=NOW + 59_001)
    decision = decide(ticket_after(creation()), reservation(max_holds=3), NOW, around)
    assert isinstance(decision, TooManyHolds)
    assert decision.retry_after_seconds == 60


def test_the_newest_unpaid_holds_decide_when_another_is_allowed() -> None:
    assert allowed_at([], 1) == 0
    assert allowed_at([NOW, NOW - 5], 3) == 0
    assert allowed_at([NOW, NOW - 5, NOW - 9], 2) == NOW - 5 + HOUR_MS


# What a ticket remembers


def test_a_ticket_remembers_unpaid_holds_of_the_last_hour_only() -> None:
    ticket = after_holds(NOW, NOW + SECOND)
    later = after_holds(NOW + HOUR_MS + 1, buyer=ANOTHER, ticket=ticket)
    assert [(hold.buyer_id, hold.ended_at) for hold in later.unpaid_holds] == [
        (BUYER, NOW + SECOND),
        (ANOTHER, NOW + HOUR_MS + 1),
    ]


def test_a_ticket_remembers_a_bounded_number_of_the_newest_unpaid_holds() -> None:
    ticket = ticket_after(creation())
    for number in range(REMEMBERED + 5):
        ticket = after_holds(NOW + number, buyer=f"{number:024x}", ticket=ticket)
    assert [hold.ended_at - NOW for hold in ticket.unpaid_holds] == list(range(5, REMEMBERED + 5))


def test_unpaid_holds_are_stored_and_a_document_without_them_is_read_as_none() -> None:
    ticket = after_holds(NOW, NOW + GRACE)
    stored = json.loads(json.dumps(encode(ticket)))
    assert decode(Ticket, stored) == ticket
    del stored["unpaid_holds"]
    assert decode(Ticket, stored).unpaid_holds == ()


def test_another_ticket_of_the_same_seller_remembers_no_unpaid_holds() -> None:
    other = ticket_after(CreateTicket(TICKET, creation().seller_id, DETAILS))
    assert refusal_at(other, NOW) is None
