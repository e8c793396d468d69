"""How hard the models are searched: the same examples in every run, or with HOLDFAST_MODELS=20 twenty times as many."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

TIMES = int(os.environ.get("HOLDFAST_MODELS", "1"))


def run(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Fails with the smallest history that is found in which the product does not do as the model says."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples * TIMES,
            stateful_step_count=steps,
            derandomize=TIMES == 1,  # a run of the suite does not depend on luck, a long search does
            database=None,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def finds(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """The control: fails when so many examples find nothing. Whatever is found is not made smaller."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
