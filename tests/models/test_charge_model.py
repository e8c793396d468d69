"""A charge does what its model says, whatever it is told; with a rule of the product broken the search finds it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.domain import charge as rules
from actors.domain.charge import Decision, Handler
from actors.domain.charge_commands import ChargeCommand, RecordCaptured, RecordFailed, RecordRefunded
from actors.domain.charge_events import ChargeCompleted, ChargeFailed, ChargeRefunded
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.instants import Instant
from tests.models import search
from tests.models.charge_machine import ChargeMachine

Patch = pytest.MonkeyPatch


def test_a_charge_does_what_its_model_says() -> None:
    search.run(ChargeMachine, examples=200, steps=40)


def _instead(patch: Patch, status: ChargeStatus, handler: Callable[[Handler], Handler]) -> None:
    """Has a broken rule, made of the real one, decide about charges in this state."""
    patch.setitem(rules._HANDLERS, status, handler(rules._HANDLERS[status]))


def money_is_taken_after_it_was_let_go(patch: Patch) -> None:
    def broken(real: Handler) -> Handler:
        def decide(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:
            if isinstance(command, RecordCaptured):
                return (ChargeCompleted(rules._next(charge, now, status=ChargeStatus.COMPLETED)),)
            return real(charge, command, now)

        return decide

    _instead(patch, ChargeStatus.VOIDED, broken)


def a_failure_is_recorded_after_the_authorisation(patch: Patch) -> None:
    def broken(real: Handler) -> Handler:
        def decide(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:
            if isinstance(command, RecordFailed):
                return (ChargeFailed(rules._next(charge, now, status=ChargeStatus.FAILED, failure=command.failure)),)
            return real(charge, command, now)

        return decide

    _instead(patch, ChargeStatus.AUTHORISED, broken)


def money_is_given_back_twice(patch: Patch) -> None:
    def broken(real: Handler) -> Handler:
        def decide(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:
            if isinstance(command, RecordRefunded):
                return (ChargeRefunded(rules._next(charge, now, stripe_refund_id=command.stripe_refund_id)),)
            return real(charge, command, now)

        return decide

    _instead(patch, ChargeStatus.REFUNDED, broken)


def a_refund_after_one_that_failed_has_the_same_key(patch: Patch) -> None:
    real = rules._after_a_failed_refund
    patch.setattr(
        rules,
        "_after_a_failed_refund",
        lambda charge, failure, now: replace(real(charge, failure, now), tries=charge.tries),
    )


def a_try_is_forgotten(patch: Patch) -> None:
    real = rules._next

    def next_version(charge: Charge, now: Instant, **changes: object) -> Charge:
        return replace(real(charge, now, **changes), tries=changes.get("tries", ()))  # type: ignore[arg-type]

    patch.setattr(rules, "_next", next_version)


def a_step_counts_the_tries_of_all_steps(patch: Patch) -> None:
    def key(charge: Charge, _step: ChargeStep) -> str:
        return f"charge:{charge.id}:{len(charge.tries) + 1}"

    patch.setattr(rules, "idempotency_key", key)


def another_payment_method_counts_under_the_same_key(patch: Patch) -> None:
    patch.setattr(rules, "_same_payment", lambda _charge, _asked: True)


def a_version_is_used_twice(patch: Patch) -> None:
    real = rules._next

    def next_version(charge: Charge, now: Instant, **changes: object) -> Charge:
        return replace(real(charge, now, **changes), version=charge.version)

    patch.setattr(rules, "_next", next_version)


@pytest.mark.parametrize(
    "sabotage",
    [
        money_is_taken_after_it_was_let_go,
        a_failure_is_recorded_after_the_authorisation,
        money_is_given_back_twice,
        a_refund_after_one_that_failed_has_the_same_key,
        a_try_is_forgotten,
        a_step_counts_the_tries_of_all_steps,
        another_payment_method_counts_under_the_same_key,
        a_version_is_used_twice,
    ],
    ids=lambda sabotage: sabotage.__name__,
)
def test_search_finds_a_broken_rule_of_a_charge(sabotage: Callable[[Patch], None], monkeypatch: Patch) -> None:
    sabotage(monkeypatch)
    search.finds(ChargeMachine, examples=1_000, steps=40)
