"""What a refund does to a ticket and to a charge, in every state that they may be in."""

from dataclasses import replace
from typing import TypeAlias

import pytest

from actors.domain.charge import charge_id, idempotency_key
from actors.domain.charge import decide as decide_charge
from actors.domain.charge import evolve as charge_after
from actors.domain.charge_commands import (
    ChargeCommand,
    RecordCaptured,
    RecordDispute,
    RecordRefunded,
    RecordRefundFailed,
    RecordRefunding,
    RecordRefundPending,
)
from actors.domain.charge_events import (
    ChargeCompleted,
    ChargeDisputed,
    ChargeEvent,
    ChargeRefunded,
    ChargeRefundFailed,
    ChargeRefunding,
)
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.refusals import (
    AlreadySold,
    InvalidTransition,
    NotFound,
    NotOwner,
    OrderClosed,
    OrderComplete,
    OrderNotPaid,
    Refusal,
    ShowStarted,
)
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import AbandonRefund, CancelSale, StartRefund, TicketCommand
from actors.domain.ticket_events import OrderCancelled, OrderCreated, OrderRefundFailed, OrderRefunding, TicketEvent
from actors.domain.ticket_rules import decide
from actors.domain.ticket_values import CancelReason, OrderStatus, TicketStatus
from tests.support.examples import (
    ANOTHER,
    ANOTHER_ORDER,
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
    WITHDRAWAL,
    creation,
    handle,
    order_of,
    reservation,
    ticket_after,
)

LATER = NOW + 1_000

# The ticket

OnTicket: TypeAlias = type[TicketEvent] | type[Refusal] | None

REFUND = StartRefund(TICKET, ORDER, SELLER)
ABANDONMENT = AbandonRefund(TICKET, ORDER)
REVOCATION = CancelSale(TICKET, ORDER, CancelReason.REFUNDED)
BOUGHT = (creation(), reservation(), START, SALE)

TICKETS: dict[str, Ticket | None] = {
    "unknown": None,
    "available": ticket_after(creation()),
    "held": ticket_after(creation(), reservation()),
    "being paid": ticket_after(creation(), reservation(), START),
    "sold": ticket_after(*BOUGHT),
    "being refunded": ticket_after(*BOUGHT, REFUND),
    "for sale again": ticket_after(*BOUGHT, REFUND, REVOCATION),
    "held by somebody else": ticket_after(creation(), reservation(ANOTHER_ORDER, ANOTHER)),
    "withdrawn": ticket_after(creation(), WITHDRAWAL),
}
TICKET_COMMANDS: dict[str, TicketCommand] = {
    "refund": REFUND,
    "refund by somebody else": StartRefund(TICKET, ORDER, BUYER),
    "abandon the refund": ABANDONMENT,
    "revoke": REVOCATION,
}
# One column for each state, in their order; None where nothing changes.
TICKET_TABLE: dict[str, tuple[OnTicket, ...]] = {
    "refund": (NotFound, OrderClosed, OrderNotPaid, OrderNotPaid, OrderRefunding, None, *(OrderClosed,) * 3),
    "refund by somebody else": (NotFound, *(NotOwner,) * 8),
    "abandon the refund": (NotFound, *(OrderClosed,) * 3, None, OrderRefundFailed, *(OrderClosed,) * 3),
    "revoke": (NotFound, OrderClosed, *(OrderCancelled,) * 4, *(OrderClosed,) * 3),
}
EVERY_TICKET = [
    pytest.param(TICKETS[state], TICKET_COMMANDS[name], expected, id=f"{name} when {state}")
    for name, row in TICKET_TABLE.items()
    for state, expected in zip(TICKETS, row, strict=True)
]


@pytest.mark.parametrize(("ticket", "command", "expected"), EVERY_TICKET)
def test_a_refund_command_to_a_ticket_has_the_result_in_the_table(
    ticket: Ticket | None, command: TicketCommand, expected: OnTicket
) -> None:
    decision = decide(ticket, command, LATER)
    if isinstance(decision, Refusal):
        assert type(decision) is expected
    else:
        assert [type(event) for event in decision] == ([expected] if expected else [])


@pytest.fixture
def sold() -> Ticket:
    return ticket_after(*BOUGHT)


@pytest.fixture
def being_refunded() -> Ticket:
    return ticket_after(*BOUGHT, REFUND)


def test_an_order_stays_complete_while_its_refund_is_pending(being_refunded: Ticket) -> None:
    order = order_of(being_refunded)
    assert (order.status, order.refunding, order.has_pending_money) == (OrderStatus.COMPLETE, True, True)
    assert being_refunded.status is TicketStatus.SOLD


def test_a_refund_requested_twice_begins_once(being_refunded: Ticket) -> None:
    assert handle(being_refunded, REFUND, LATER) == (being_refunded, (), None)


def test_an_abandoned_refund_leaves_the_sale_as_it_was(sold: Ticket, being_refunded: Ticket) -> None:
    stands = order_of(handle(being_refunded, ABANDONMENT, LATER)[0])
    bought = order_of(sold)
    assert stands == replace(bought, version=bought.version + 2, updated_at=LATER)


def test_a_refund_is_abandoned_once(being_refunded: Ticket) -> None:
    abandoned, _, _ = handle(being_refunded, ABANDONMENT)
    assert handle(abandoned, ABANDONMENT, LATER) == (abandoned, (), None)


def test_an_abandoned_refund_can_be_requested_again(being_refunded: Ticket) -> None:
    abandoned, _, _ = handle(being_refunded, ABANDONMENT)
    assert order_of(handle(abandoned, REFUND)[0]).refunding


def test_a_refunded_order_is_cancelled_and_has_no_pending_money(being_refunded: Ticket) -> None:
    ticket, (event,), _ = handle(being_refunded, REVOCATION, LATER)
    assert isinstance(event, OrderCancelled)
    ended = event.order
    assert (ended.status, ended.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.REFUNDED)
    assert (ended.refunding, ended.has_pending_money, ended.version) == (
        False,
        False,
        order_of(being_refunded).version + 1,
    )
    assert ticket is not None
    assert (ticket.status, ticket.order) == (TicketStatus.AVAILABLE, None)


def test_a_ticket_can_be_reserved_again_after_its_refund(being_refunded: Ticket) -> None:
    revoked, _, _ = handle(being_refunded, REVOCATION)
    ticket, (event,), _ = handle(revoked, reservation(ANOTHER_ORDER, ANOTHER))
    assert isinstance(event, OrderCreated)
    assert order_of(ticket).id == ANOTHER_ORDER


def test_a_repeated_cancellation_of_a_refunded_sale_does_not_touch_the_next_order(being_refunded: Ticket) -> None:
    revoked, _, _ = handle(being_refunded, REVOCATION)
    held_again, _, _ = handle(revoked, reservation(ANOTHER_ORDER, ANOTHER))
    assert handle(held_again, REVOCATION) == (held_again, (), OrderClosed())


def test_a_ticket_being_refunded_is_not_for_sale_and_its_order_cannot_be_cancelled(
    being_refunded: Ticket,
) -> None:
    assert decide(being_refunded, reservation(ANOTHER_ORDER, ANOTHER), LATER) == AlreadySold()
    assert decide(being_refunded, CANCELLATION, LATER) == OrderComplete()


@pytest.mark.parametrize(("before", "accepted"), [(1, True), (0, False), (-1, False)])
def test_a_seller_can_refund_a_sale_only_before_the_show(before: int, *, accepted: bool) -> None:
    begins = NOW + WINDOW
    ticket = ticket_after(creation(replace(DETAILS, starts_at=begins)), reservation(), START, SALE)
    decision = decide(ticket, REFUND, begins - before)
    assert isinstance(decision, tuple) if accepted else decision == ShowStarted()


def test_a_refund_that_began_before_the_show_goes_on_after_it_started() -> None:
    begins = NOW + WINDOW
    ticket = ticket_after(creation(replace(DETAILS, starts_at=begins)), reservation(), START, SALE, REFUND)
    assert decide(ticket, REFUND, begins + 1) == ()
    assert isinstance(decide(ticket, REVOCATION, begins + 1), tuple)


# The charge

OnCharge: TypeAlias = type[ChargeEvent] | type[Refusal] | None

ID = charge_id(ORDER, 1)
CREATED = Charge(
    ID, ORDER, TICKET, BUYER, 1, 5_000, "usd", "pm_card_visa", ChargeStatus.CREATED, NOW, NOW, stripe_id="pi_1"
)
COMPLETED = replace(CREATED, status=ChargeStatus.COMPLETED)
BEING_REFUNDED = replace(COMPLETED, refunding=True)
PENDING = replace(BEING_REFUNDED, stripe_refund_id="re_1")
REFUNDED = replace(COMPLETED, status=ChargeStatus.REFUNDED, stripe_refund_id="re_1")

CHARGES: dict[str, Charge | None] = {
    "unknown": None,
    "created": CREATED,
    "authorised": replace(CREATED, status=ChargeStatus.AUTHORISED),
    "completed": COMPLETED,
    "disputed": replace(COMPLETED, disputed="needs_response"),
    "to be refunded": BEING_REFUNDED,
    "being refunded": PENDING,
    "refunded": REFUNDED,
    "failed": replace(CREATED, status=ChargeStatus.FAILED, failure="generic_decline"),
    "voided": replace(CREATED, status=ChargeStatus.VOIDED),
}
CHARGE_COMMANDS: dict[str, ChargeCommand] = {
    "begin": RecordRefunding(ID),
    "pend": RecordRefundPending(ID, "re_1"),
    "pend as another": RecordRefundPending(ID, "re_2"),
    "give back": RecordRefunded(ID, "re_1"),
    "give back as another": RecordRefunded(ID, "re_2"),
    "fail": RecordRefundFailed(ID, "expired_or_canceled_card"),
    "dispute": RecordDispute(ID, "needs_response"),
    "dispute on": RecordDispute(ID, "lost"),
    "take to give back": RecordCaptured(ID, refunding=True),
}
NO = InvalidTransition
OPEN, OVER = (NotFound, NO, NO), (NO, NO)
# One column for each state, in their order; None where nothing changes.
CHARGE_TABLE: dict[str, tuple[OnCharge, ...]] = {
    "begin": (*OPEN, ChargeRefunding, ChargeRefunding, None, None, NO, *OVER),
    "pend": (*OPEN, ChargeRefunding, ChargeRefunding, ChargeRefunding, None, None, *OVER),
    "pend as another": (*OPEN, ChargeRefunding, ChargeRefunding, ChargeRefunding, ChargeRefunding, NO, *OVER),
    "give back": (*OPEN, *(ChargeRefunded,) * 4, None, *OVER),
    "give back as another": (*OPEN, *(ChargeRefunded,) * 4, None, *OVER),
    "fail": (*OPEN, None, None, *(ChargeRefundFailed,) * 3, *OVER),
    "dispute": (*OPEN, ChargeDisputed, None, *(ChargeDisputed,) * 3, *OVER),
    "dispute on": (*OPEN, *(ChargeDisputed,) * 5, *OVER),
    "take to give back": (NotFound, ChargeCompleted, ChargeCompleted, None, None, None, None, NO, ChargeCompleted, NO),
}
EVERY_CHARGE = [
    pytest.param(CHARGES[state], CHARGE_COMMANDS[name], expected, id=f"{name} when {state}")
    for name, row in CHARGE_TABLE.items()
    for state, expected in zip(CHARGES, row, strict=True)
]
EVERY_CHANGE_OF_A_CHARGE = [
    pytest.param(charge, CHARGE_COMMANDS[name], id=f"{name} when {state}")
    for name, row in CHARGE_TABLE.items()
    for (state, charge), expected in zip(CHARGES.items(), row, strict=True)
    if charge is not None and expected is not None and not issubclass(expected, Refusal)
]


@pytest.mark.parametrize(("charge", "command", "expected"), EVERY_CHARGE)
def test_a_refund_command_to_a_charge_has_the_result_in_the_table(
    charge: Charge | None, command: ChargeCommand, expected: OnCharge
) -> None:
    decision = decide_charge(charge, command, LATER)
    if isinstance(decision, Refusal):
        assert type(decision) is expected
    else:
        assert [type(event) for event in decision] == ([expected] if expected else [])


@pytest.mark.parametrize(("charge", "command"), EVERY_CHANGE_OF_A_CHARGE)
def test_a_refund_step_that_was_recorded_changes_nothing_when_it_is_recorded_again(
    charge: Charge, command: ChargeCommand
) -> None:
    changed = after(charge, command)
    assert (changed.version, changed.updated_at) == (charge.version + 1, LATER)
    assert decide_charge(changed, command, LATER + 1) == ()


def after(charge: Charge, *commands: ChargeCommand) -> Charge:
    for command in commands:
        decision = decide_charge(charge, command, LATER)
        if isinstance(decision, Refusal):
            raise TypeError(f"{command} was refused: {decision}")
        for event in decision:
            charge = charge_after(event)
    return charge


def how_it_stands(charge: Charge) -> tuple[ChargeStatus, bool, str | None]:
    return charge.status, charge.refunding, charge.stripe_refund_id


def test_a_refund_is_requested_then_pending_then_done() -> None:
    wished = after(COMPLETED, RecordRefunding(ID))
    pending = after(wished, RecordRefundPending(ID, "re_1"))
    refunded = after(pending, RecordRefunded(ID, "re_1"))
    assert how_it_stands(wished) == (ChargeStatus.COMPLETED, True, None)
    assert how_it_stands(pending) == (ChargeStatus.COMPLETED, True, "re_1")
    assert how_it_stands(refunded) == (ChargeStatus.REFUNDED, False, "re_1")


def test_a_charge_is_open_from_the_request_to_the_end_of_its_refund() -> None:
    steps = (COMPLETED, BEING_REFUNDED, PENDING, REFUNDED)
    assert [charge.is_open for charge in steps] == [False, True, True, False]


@pytest.mark.parametrize("charge", [BEING_REFUNDED, PENDING, REFUNDED])
def test_a_failed_refund_leaves_the_charge_completed_and_keeps_the_reason(charge: Charge) -> None:
    failed = after(charge, RecordRefundFailed(ID, "lost_or_stolen_card"))
    assert how_it_stands(failed) == (ChargeStatus.COMPLETED, False, None)
    assert (failed.failure, failed.is_open) == ("lost_or_stolen_card", False)


def test_a_refund_after_a_failed_one_has_its_own_idempotency_key() -> None:
    failed = after(REFUNDED, RecordRefundFailed(ID, "lost_or_stolen_card"))
    keys = {idempotency_key(charge, ChargeStep.REFUND) for charge in (COMPLETED, BEING_REFUNDED, PENDING, REFUNDED)}
    assert keys == {f"charge:{ID}:refund:1"}
    assert idempotency_key(failed, ChargeStep.REFUND) == f"charge:{ID}:refund:2"


def test_another_refund_can_begin_and_succeed_after_a_failed_one() -> None:
    failed = after(PENDING, RecordRefundFailed(ID, "lost_or_stolen_card"))
    refunded = after(failed, RecordRefunding(ID), RecordRefundPending(ID, "re_2"), RecordRefunded(ID, "re_2"))
    assert how_it_stands(refunded) == (ChargeStatus.REFUNDED, False, "re_2")


def test_money_captured_for_a_closed_order_is_being_refunded_from_its_first_moment() -> None:
    taken = after(replace(CREATED, action_required=True), RecordCaptured(ID, refunding=True))
    assert how_it_stands(taken) == (ChargeStatus.COMPLETED, True, None)
    assert (taken.action_required, taken.is_open) == (False, True)


def test_money_captured_for_a_sale_is_not_refunded() -> None:
    assert how_it_stands(after(CREATED, RecordCaptured(ID))) == (ChargeStatus.COMPLETED, False, None)


@pytest.mark.parametrize("charge", [COMPLETED, PENDING, REFUNDED])
def test_a_dispute_is_noted_and_changes_nothing_else(charge: Charge) -> None:
    disputed = after(charge, RecordDispute(ID, "needs_response"))
    assert disputed == replace(charge, disputed="needs_response", version=charge.version + 1, updated_at=LATER)
