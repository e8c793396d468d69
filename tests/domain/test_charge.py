"""What each command does in each state of a charge."""

from dataclasses import replace
from typing import TypeAlias, get_args

import pytest

from actors.domain.charge import Decision, charge_id, decide, evolve, idempotency_key
from actors.domain.charge_commands import (
    ChargeCommand,
    OpenCharge,
    ReadCharge,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordDispute,
    RecordFailed,
    RecordIntent,
    RecordIntentCancelled,
    RecordPaidByHand,
    RecordRefunded,
    RecordRefundFailed,
    RecordRefunding,
    RecordRefundPending,
    RecordVoided,
    ScheduleRetry,
)
from actors.domain.charge_events import (
    ChargeActionRequired,
    ChargeAuthorised,
    ChargeCompleted,
    ChargeCreated,
    ChargeDisputed,
    ChargeEvent,
    ChargeFailed,
    ChargeIntentCancelled,
    ChargeIntentCreated,
    ChargePaidByHand,
    ChargeRefunded,
    ChargeRefundFailed,
    ChargeRefunding,
    ChargeRetryScheduled,
    ChargeVoided,
)
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.ids import is_id
from actors.domain.refusals import InvalidTransition, NotFound, Refusal, RequestMismatch
from tests.support.examples import BUYER, NOW, ORDER, TICKET

Expected: TypeAlias = type[ChargeEvent] | type[Refusal] | None

ID = charge_id(ORDER, 1)
LATER = NOW + 1_000
CREATED = Charge(ID, ORDER, TICKET, BUYER, 1, 5_000, "usd", "pm_card_visa", ChargeStatus.CREATED, NOW, NOW)
INTENT = "pi_1"
ADMIN = "7" * 24
CREATED_AT_STRIPE = replace(CREATED, stripe_id=INTENT)

STATES: dict[str, Charge | None] = {
    "unknown": None,
    "created": CREATED,
    "created at Stripe": CREATED_AT_STRIPE,
    "waiting for its buyer": replace(CREATED_AT_STRIPE, action_required=True),
    "authorised": replace(CREATED_AT_STRIPE, status=ChargeStatus.AUTHORISED),
    "completed": replace(CREATED_AT_STRIPE, status=ChargeStatus.COMPLETED),
    "failed": replace(CREATED_AT_STRIPE, status=ChargeStatus.FAILED, failure="generic_decline"),
    "failed, its intent cancelled": replace(
        CREATED_AT_STRIPE, status=ChargeStatus.FAILED, failure="generic_decline", intent_cancelled=True
    ),
    "voided": replace(CREATED_AT_STRIPE, status=ChargeStatus.VOIDED),
    "refunded": replace(CREATED_AT_STRIPE, status=ChargeStatus.REFUNDED, stripe_refund_id="re_1"),
}
CHARGES = {name: charge for name, charge in STATES.items() if charge is not None}
COMMANDS: dict[str, ChargeCommand] = {
    "open": OpenCharge(CREATED),
    "read": ReadCharge(ID),
    "try again": ScheduleRetry(ID, ChargeStep.CONFIRM),
    "record the intent": RecordIntent(ID, INTENT),
    "record another intent": RecordIntent(ID, "pi_2"),
    "ask for action": RecordActionRequired(ID),
    "authorise": RecordAuthorised(ID),
    "capture": RecordCaptured(ID),
    "capture, to give it back": RecordCaptured(ID, refunding=True),
    "cancel the intent": RecordIntentCancelled(ID),
    "fail": RecordFailed(ID, "generic_decline"),
    "void": RecordVoided(ID),
    "void without an intent": RecordVoided(ID, without_intent=True),
    "begin the refund": RecordRefunding(ID),
    "refund later": RecordRefundPending(ID, "re_1"),
    "refund": RecordRefunded(ID, "re_1"),
    "fail the refund": RecordRefundFailed(ID, "expired_or_canceled_card"),
    "pay back by hand": RecordPaidByHand(ID, ADMIN),
    "dispute": RecordDispute(ID, "needs_response"),
}
NO = InvalidTransition
# One column for each state, in their order; None where nothing changes.
TABLE: dict[str, tuple[Expected, ...]] = {
    "open": (ChargeCreated, *(None,) * 9),
    "read": (NotFound, *(None,) * 9),
    "try again": (NotFound, *(ChargeRetryScheduled,) * 9),
    "record the intent": (NotFound, ChargeIntentCreated, *(None,) * 8),
    "record another intent": (NotFound, ChargeIntentCreated, *(NO,) * 8),
    "ask for action": (NotFound, ChargeActionRequired, ChargeActionRequired, None, *(NO,) * 6),
    "authorise": (NotFound, *(ChargeAuthorised,) * 3, None, *(NO,) * 5),
    "capture": (NotFound, *(ChargeCompleted,) * 4, None, *(NO,) * 4),
    "capture, to give it back": (NotFound, *(ChargeCompleted,) * 4, None, ChargeCompleted, *(NO,) * 3),
    "cancel the intent": (NotFound, *(NO,) * 5, ChargeIntentCancelled, None, NO, NO),
    "fail": (NotFound, *(ChargeFailed,) * 3, NO, NO, None, None, NO, NO),
    "void": (NotFound, *(ChargeVoided,) * 4, NO, NO, NO, None, NO),
    "void without an intent": (NotFound, ChargeVoided, *(NO,) * 6, None, NO),
    "begin the refund": (NotFound, *(NO,) * 4, ChargeRefunding, *(NO,) * 4),
    "refund later": (NotFound, *(NO,) * 4, ChargeRefunding, NO, NO, NO, None),
    "refund": (NotFound, *(NO,) * 4, ChargeRefunded, NO, NO, NO, None),
    "fail the refund": (NotFound, *(NO,) * 4, None, NO, NO, NO, ChargeRefundFailed),
    "pay back by hand": (NotFound, *(NO,) * 9),
    "dispute": (NotFound, *(NO,) * 4, ChargeDisputed, NO, NO, NO, ChargeDisputed),
}
EVERY_PAIR = [
    pytest.param(STATES[state], COMMANDS[name], expected, id=f"{name} when {state}")
    for name, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
]
# Those that change a charge that there is.
EVERY_CHANGE = [
    pytest.param(charge, COMMANDS[name], id=f"{name} when {state}")
    for name, row in TABLE.items()
    for (state, charge), expected in zip(STATES.items(), row, strict=True)
    if charge is not None and expected is not None and not issubclass(expected, Refusal)
]


def test_every_charge_command_is_in_the_table() -> None:
    assert {type(COMMANDS[name]) for name in TABLE} == set(get_args(ChargeCommand))


def accepted(decision: Decision) -> tuple[ChargeEvent, ...]:
    if isinstance(decision, Refusal):
        raise TypeError(f"it was refused: {decision}")
    return decision


def after(charge: Charge, *commands: ChargeCommand) -> Charge:
    for command in commands:
        for event in accepted(decide(charge, command, LATER)):
            charge = evolve(event)
    return charge


@pytest.mark.parametrize(("charge", "command", "expected"), EVERY_PAIR)
def test_a_charge_command_in_each_state_has_the_result_in_the_table(
    charge: Charge | None, command: ChargeCommand, expected: Expected
) -> None:
    decision = decide(charge, command, LATER)
    if isinstance(decision, Refusal):
        assert type(decision) is expected
    else:
        assert [type(event) for event in decision] == ([expected] if expected else [])


@pytest.mark.parametrize(("charge", "command"), EVERY_CHANGE)
def test_a_charge_event_raises_the_version_and_keeps_what_was_agreed(charge: Charge, command: ChargeCommand) -> None:
    changed = after(charge, command)
    assert (changed.version, changed.updated_at) == (charge.version + 1, LATER)
    assert agreement(changed) == agreement(charge)


def agreement(charge: Charge) -> tuple[object, ...]:
    return charge.id, charge.order_id, charge.attempt, charge.amount, charge.currency, charge.payment_method


@pytest.mark.parametrize("name", ["record the intent", "ask for action", "authorise", "capture", "fail", "void"])
def test_a_charge_step_that_was_recorded_changes_nothing_when_it_is_recorded_again(name: str) -> None:
    once = after(CREATED, COMMANDS[name])
    assert decide(once, COMMANDS[name], LATER) == ()


def test_an_authorisation_ends_the_wait_for_the_buyer() -> None:
    waiting = after(CREATED_AT_STRIPE, RecordActionRequired(ID))
    assert not after(waiting, RecordAuthorised(ID)).action_required


def test_a_failure_is_kept_with_its_reason() -> None:
    failed = after(CREATED, RecordFailed(ID, "insufficient_funds"))
    assert (failed.status, failed.failure) == (ChargeStatus.FAILED, "insufficient_funds")


def test_no_intent_is_recorded_for_a_charge_that_was_voided_before_it() -> None:
    voided = after(CREATED, RecordVoided(ID))
    assert decide(voided, RecordIntent(ID, INTENT), LATER) == InvalidTransition()


def test_the_first_refund_stays_the_refund() -> None:
    assert decide(STATES["refunded"], RecordRefunded(ID, "re_2"), LATER) == ()


def test_a_charge_is_open_while_stripe_may_hold_money_for_it() -> None:
    assert {name for name, charge in CHARGES.items() if charge.is_open} == {
        "created", "created at Stripe", "waiting for its buyer", "authorised"
    }  # fmt: skip


def test_a_charge_has_pending_money_while_it_is_open_or_its_failed_intent_can_be_paid() -> None:
    assert {name for name, charge in CHARGES.items() if charge.has_pending_money} == {
        "created", "created at Stripe", "waiting for its buyer", "authorised", "failed"
    }  # fmt: skip


def test_a_failed_refund_is_paid_by_hand_once_and_keeps_who_did() -> None:
    failed = after(CREATED_AT_STRIPE, RecordCaptured(ID), RecordRefunding(ID), RecordRefundFailed(ID, "lost_card"))
    (event,) = accepted(decide(failed, RecordPaidByHand(ID, ADMIN), LATER))
    assert isinstance(event, ChargePaidByHand)
    assert event.charge == replace(failed, paid_by_hand=ADMIN, version=failed.version + 1)
    assert decide(event.charge, RecordPaidByHand(ID, BUYER), LATER) == ()


def test_a_charge_that_failed_before_it_had_an_intent_has_nothing_to_cancel() -> None:
    failed = after(CREATED, RecordFailed(ID, "unknown_payment_method"))
    assert not failed.has_pending_money
    assert decide(failed, RecordIntentCancelled(ID), LATER) == InvalidTransition()


def test_money_captured_for_a_failed_charge_is_refunded_as_if_it_had_never_failed() -> None:
    taken = after(after(CREATED_AT_STRIPE, RecordFailed(ID, "generic_decline")), RecordCaptured(ID, refunding=True))
    assert (taken.status, taken.refunding, taken.failure) == (ChargeStatus.COMPLETED, True, None)


# Requests that arrive again


def asked(payment_method: str = "pm_card_visa", request: str | None = None) -> OpenCharge:
    return OpenCharge(replace(CREATED, payment_method=payment_method, request=request))


def test_without_an_idempotency_key_the_first_payment_method_counts() -> None:
    assert decide(CREATED, asked("pm_card_amex"), LATER) == ()


def test_the_same_idempotency_key_with_the_same_payment_method_is_a_repeat() -> None:
    assert decide(asked(request="key").charge, asked(request="key"), LATER) == ()


def test_the_same_idempotency_key_with_another_payment_method_is_refused() -> None:
    assert decide(asked(request="key").charge, asked("pm_card_amex", request="key"), LATER) == RequestMismatch()


@pytest.mark.parametrize("first_key", [None, "key"])
def test_another_idempotency_key_for_the_same_order_changes_nothing(first_key: str | None) -> None:
    assert decide(asked(request=first_key).charge, asked(request="another key"), LATER) == ()


# Ids and keys


def test_each_attempt_of_each_order_has_a_charge_of_its_own() -> None:
    ids = {charge_id(order, attempt) for order in (ORDER, BUYER) for attempt in (1, 2, 11)}
    assert len(ids) == 6
    assert all(is_id(one) for one in ids)


def test_repeating_a_charge_step_repeats_its_idempotency_key() -> None:
    assert idempotency_key(CREATED, ChargeStep.CONFIRM) == f"charge:{ID}:confirm:1"


def test_a_scheduled_retry_changes_the_idempotency_key_of_its_step_only() -> None:
    tried = after(CREATED, ScheduleRetry(ID, ChargeStep.CONFIRM))
    assert idempotency_key(tried, ChargeStep.CONFIRM) == f"charge:{ID}:confirm:2"
    assert idempotency_key(tried, ChargeStep.CAPTURE) == f"charge:{ID}:capture:1"


def test_a_charge_does_not_print_its_payment_method() -> None:
    assert "pm_card_visa" not in repr(CREATED)
