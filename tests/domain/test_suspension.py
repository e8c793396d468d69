"""Tickets of a seller who may not sell any more, or that an administrator refunded, are never for sale again.

The withdrawal is in the commit that releases the ticket: no buyer comes between, and no sweep has to be in time.
"""

from dataclasses import replace

import pytest

from actors.domain import ticket_rules as rules
from actors.domain.refusals import ShowStarted
from actors.domain.ticket_commands import (
    AbandonRefund,
    CancelSale,
    ReinstateTicket,
    Release,
    StartRefund,
    SuspendTicket,
    TicketCommand,
)
from actors.domain.ticket_events import (
    OrderCancelled,
    OrderExpired,
    OrderRefunding,
    TicketReinstated,
    TicketSuspended,
    TicketWithdrawn,
)
from actors.domain.ticket_values import CancelReason, TicketStatus
from tests.support.examples import (
    BUYER,
    CANCELLATION,
    DETAILS,
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

ADMIN = "0" * 23 + "a"
SUSPENSION, REINSTATEMENT = SuspendTicket(TICKET), ReinstateTicket(TICKET)
BY_ADMIN = StartRefund(TICKET, ORDER, ADMIN, is_admin=True)
BY_SELLER = StartRefund(TICKET, ORDER, SELLER)
REVOCATION = CancelSale(TICKET, ORDER, CancelReason.REFUNDED)
HELD = (creation(), reservation())
PAYING = (*HELD, START)
SOLD = (*PAYING, SALE)
BEGINS = NOW + 60_000


@pytest.mark.parametrize(
    ("commands", "release"),
    [
        (HELD, CANCELLATION),
        (PAYING, CANCELLATION),
        (PAYING, Release(TICKET, ORDER, 1, 1)),
        (PAYING, CancelSale(TICKET, ORDER, CancelReason.CAPTURE_FAILED)),
        (SOLD, CancelSale(TICKET, ORDER, CancelReason.CAPTURE_FAILED)),
        ((*SOLD, BY_SELLER), REVOCATION),
    ],
    ids=["let go", "let go while being paid", "declined", "not authorised", "not captured", "refunded"],
)
def test_a_suspended_ticket_is_withdrawn_in_the_commit_that_releases_it(
    commands: tuple[TicketCommand, ...], release: TicketCommand
) -> None:
    after, events, _ = handle(ticket_after(*commands, SUSPENSION), release)
    assert [type(event) for event in events] == [OrderCancelled, TicketWithdrawn]
    assert after is not None
    assert after.status is TicketStatus.WITHDRAWN


def test_a_suspended_ticket_is_withdrawn_with_the_expiry_of_its_hold() -> None:
    suspended = ticket_after(*HELD, SUSPENSION)
    assert [type(event) for event in rules.due(suspended, NOW + WINDOW)] == [OrderExpired, TicketWithdrawn]


def test_a_suspended_ticket_stays_with_its_holder_or_buyer() -> None:
    ticket = ticket_after(*HELD, SUSPENSION)
    assert ticket.status is TicketStatus.RESERVED
    after, events, refusal = handle(ticket, SALE)
    assert (len(events), refusal) == (1, None)
    assert after is not None
    assert after.status is TicketStatus.SOLD


def test_suspending_a_ticket_that_nobody_holds_withdraws_it_at_once() -> None:
    _, events, _ = handle(ticket_after(creation()), SUSPENSION)
    assert [type(event) for event in events] == [TicketWithdrawn]


@pytest.mark.parametrize("commands", [HELD, SOLD])
def test_a_ticket_is_suspended_once_and_can_be_reinstated(commands: tuple[TicketCommand, ...]) -> None:
    marked, events, _ = handle(ticket_after(*commands), SUSPENSION)
    assert [type(event) for event in events] == [TicketSuspended]
    assert handle(marked, SUSPENSION)[1] == ()
    lifted, events, _ = handle(marked, REINSTATEMENT)
    assert [type(event) for event in events] == [TicketReinstated]
    assert handle(lifted, REINSTATEMENT)[1] == ()


def test_a_ticket_of_a_seller_who_may_sell_again_is_for_sale_after_its_hold() -> None:
    after, _, _ = handle(ticket_after(*HELD, SUSPENSION, REINSTATEMENT), CANCELLATION)
    assert after is not None
    assert after.status is TicketStatus.AVAILABLE


def test_a_withdrawn_ticket_stays_withdrawn_when_its_seller_may_sell_again() -> None:
    withdrawn, _, _ = handle(ticket_after(*HELD, SUSPENSION), CANCELLATION)
    after, _, _ = handle(withdrawn, REINSTATEMENT)
    assert after is not None
    assert after.status is TicketStatus.WITHDRAWN


def test_an_admin_can_refund_any_sale_and_its_ticket_is_then_withdrawn() -> None:
    refunding, events, _ = handle(ticket_after(*SOLD), BY_ADMIN)
    assert [type(event) for event in events] == [OrderRefunding]
    assert order_of(refunding).refund_by == ADMIN
    after, events, _ = handle(refunding, REVOCATION)
    assert [type(event) for event in events] == [OrderCancelled, TicketWithdrawn]
    assert after is not None
    assert after.status is TicketStatus.WITHDRAWN


def test_an_admin_can_refund_a_sale_after_the_show_started() -> None:
    details = replace(DETAILS, starts_at=BEGINS)
    sold = ticket_after(creation(details), reservation(), START, SALE)
    assert handle(sold, BY_SELLER, BEGINS)[2] == ShowStarted()
    assert [type(event) for event in handle(sold, BY_ADMIN, BEGINS)[1]] == [OrderRefunding]


def test_an_admin_takes_over_a_refund_that_the_seller_began_only_once() -> None:
    taken_over, events, _ = handle(ticket_after(*SOLD, BY_SELLER), BY_ADMIN)
    assert [type(event) for event in events] == [OrderRefunding]
    assert handle(taken_over, BY_ADMIN)[1] == ()
    assert handle(taken_over, BY_SELLER)[1] == ()
    assert [type(event) for event in handle(taken_over, REVOCATION)[1]] == [OrderCancelled, TicketWithdrawn]


def test_a_sale_whose_refund_by_an_admin_was_abandoned_can_be_refunded_by_its_seller_again() -> None:
    stands = ticket_after(*SOLD, BY_ADMIN, AbandonRefund(TICKET, ORDER), BY_SELLER)
    after, _, _ = handle(stands, REVOCATION)
    assert after is not None
    assert after.status is TicketStatus.AVAILABLE


def test_only_an_admin_can_refund_the_sale_of_another_seller() -> None:
    assert handle(ticket_after(*SOLD), StartRefund(TICKET, ORDER, BUYER))[1] == ()
