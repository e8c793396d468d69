"""What each command does in each state of a charge."""

from dataclasses import replace
from typing import TypeAlias

import pytest

from actors.domain.charge import charge_id, decide, evolve, idempotency_key
from actors.domain.charge_commands import (
    ChargeCommand,
    OpenCharge,
    ReadCharge,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordFailed,
    RecordIntent,
    RecordIntentCancelled,
    RecordRefunded,
    RecordVoided,
    ScheduleRetry,
)
from actors.domain.charge_events import (
    ChargeActionRequired,
    ChargeAuthorised,
    ChargeCompleted,
    ChargeCreated,
    ChargeEvent,
    ChargeFailed,
    ChargeIntentCancelled,
    ChargeIntentCreated,
    ChargeRefunded,
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
    "refund": RecordRefunded(ID, "re_1"),
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
    "refund": (NotFound, *(NO,) * 4, ChargeRefunded, NO, NO, NO, None),
}
EVERY_PAIR = [
    pytest.param(STATES[state], COMMANDS[name], expected, id=f"{name} when {state}")
    for name, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
]


def after(charge: Charge, command: ChargeCommand) -> Charge:
    decision = decide(charge, command, LATER)
    if isinstance(decision, Refusal):
        raise TypeError(f"{command} was refused: {decision}")
    for event in decision:
        charge = evolve(event)
    return charge


@pytest.mark.parametrize(("charge", "command", "expected"), EVERY_PAIR)
def test_a_command_does_in_a_state_what_the_table_says(
    charge: Charge | None, command: ChargeCommand, expected: Expected
) -> None:
    decision = decide(charge, command, LATER)
    if isinstance(decision, Refusal):
        assert type(decision) is expected
    else:
        assert [type(event) for event in decision] == ([expected] if expected else [])


@pytest.mark.parametrize(("charge", "command", "expected"), EVERY_PAIR)
def test_an_event_raises_the_version_and_keeps_what_was_agreed(
    charge: Charge | None, command: ChargeCommand, expected: Expected
) -> None:
    decision = decide(charge, command, LATER)
    if charge is None or isinstance(decision, Refusal):
        return
    for event in decision:
        changed = event.charge
        assert (changed.version, changed.updated_at) == (charge.version + 1, LATER), expected
        assert agreement(changed) == agreement(charge)


def agreement(charge: Charge) -> tuple[object, ...]:
    return charge.id, charge.order_id, charge.attempt, charge.amount, charge.currency, charge.payment_method


@pytest.mark.parametrize("name", ["record the intent", "ask for action", "authorise", "capture", "fail", "void"])
def test_what_was_recorded_changes_nothing_when_it_is_recorded_again(name: str) -> None:
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


@pytest.mark.parametrize("state", STATES)
def test_a_charge_is_open_while_stripe_may_hold_money_for_it(state: str) -> None:
    charge = STATES[state]
    if charge is not None:
        assert charge.is_open is (charge.status in (ChargeStatus.CREATED, ChargeStatus.AUTHORISED))


@pytest.mark.parametrize("state", STATES)
def test_a_charge_is_unsettled_while_it_is_open_or_its_failed_intent_can_be_paid(state: str) -> None:
    charge = STATES[state]
    if charge is not None:
        assert charge.has_pending_money is (charge.is_open or state == "failed")


def test_a_charge_that_failed_before_it_had_an_intent_has_nothing_to_cancel() -> None:
    failed = after(CREATED, RecordFailed(ID, "unknown_payment_method"))
    assert not failed.has_pending_money
    assert decide(failed, RecordIntentCancelled(ID), LATER) == InvalidTransition()


def test_money_taken_for_a_failed_charge_goes_back_as_if_it_had_never_failed() -> None:
    taken = after(after(CREATED_AT_STRIPE, RecordFailed(ID, "generic_decline")), RecordCaptured(ID, refunding=True))
    assert (taken.status, taken.refunding, taken.failure) == (ChargeStatus.COMPLETED, True, None)


# Requests that arrive again


def asked(payment_method: str = "pm_card_visa", request: str | None = None) -> OpenCharge:
    return OpenCharge(replace(CREATED, payment_method=payment_method, request=request))


def test_without_a_key_the_first_payment_method_counts() -> None:
    assert decide(CREATED, asked("pm_card_amex"), LATER) == ()


def test_the_same_key_with_the_same_payment_method_is_a_repeat() -> None:
    assert decide(asked(request="key").charge, asked(request="key"), LATER) == ()


def test_the_same_key_with_another_payment_method_is_refused() -> None:
    assert decide(asked(request="key").charge, asked("pm_card_amex", request="key"), LATER) == RequestMismatch()


@pytest.mark.parametrize("first_key", [None, "key"])
def test_another_key_is_another_wish_to_pay_the_same_order(first_key: str | None) -> None:
    assert decide(asked(request=first_key).charge, asked(request="another key"), LATER) == ()


# Ids and keys


def test_each_attempt_of_each_order_has_a_charge_of_its_own() -> None:
    ids = {charge_id(order, attempt) for order in (ORDER, BUYER) for attempt in (1, 2, 11)}
    assert len(ids) == 6
    assert all(is_id(one) for one in ids)


def test_repeating_a_step_repeats_its_key() -> None:
    assert idempotency_key(CREATED, ChargeStep.CONFIRM) == f"charge:{ID}:confirm:1"


def test_a_new_try_of_a_step_has_a_new_key_and_leaves_other_steps_alone() -> None:
    tried = after(CREATED, ScheduleRetry(ID, ChargeStep.CONFIRM))
    assert idempotency_key(tried, ChargeStep.CONFIRM) == f"charge:{ID}:confirm:2"
    assert idempotency_key(tried, ChargeStep.CAPTURE) == f"charge:{ID}:capture:1"


def test_a_charge_does_not_print_its_payment_method() -> None:
    assert "pm_card_visa" not in repr(CREATED)
