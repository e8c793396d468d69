"""Markets in which nearly everything goes wrong, each the same whenever its seed is run again."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from multiprocessing.pool import Pool

import pytest

from tests.simulation.faults import Faults
from tests.simulation.sabotage import CONTROLS, Control
from tests.simulation.simulation import Outcome
from tests.simulation.workers import EndlessError, Task, at_most, run, workers

SEEDS = 24
FEWEST_STEPS = 2_000
AT_ONCE = 2
# That no seed draws.
OF_CONTROLS = {"to_zombies", "set_back_every", "hole"}
OF_A_PLACE = {"skew", "drift", "zombies", "to_zombies", "stripe"}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with workers() as pool:
        yield pool


@pytest.fixture(scope="module")
def simulated(pool: Pool) -> list[Outcome]:
    return pool.map(run, [Task(seed) for seed in range(SEEDS)])


def test_no_rule_is_broken(simulated: list[Outcome]) -> None:
    assert {outcome.seed: outcome.broken for outcome in simulated if outcome.broken} == {}


def test_every_seed_takes_many_steps_and_sells_something_in_most(simulated: list[Outcome]) -> None:
    assert min(outcome.steps for outcome in simulated) >= FEWEST_STEPS
    assert sum(outcome.sold > 0 for outcome in simulated) > SEEDS / 2


def test_every_kind_of_fault_happens_and_every_kind_of_rule_is_checked(simulated: list[Outcome]) -> None:
    faults = sum((outcome.faults for outcome in simulated), Counter[str]())
    drawn = {kind for outcome in simulated for kind in outcome.kinds}
    assert drawn | OF_CONTROLS == {field.name for field in fields(Faults)}
    wanted = {kind.removesuffix("_every") for kind in drawn} - OF_A_PLACE | {"message_to_zombie"}
    assert wanted <= {kind for kind, times in faults.items() if times}
    checks = sum((outcome.checks for outcome in simulated), Counter[str]())
    assert set(checks) == {
        "documents", "events", "fees", "given", "handled", "lines", "mails", "payments", "published", "replies",
        "suspensions",
    }  # fmt: skip


def test_a_task_that_blocks_the_event_loop_is_stopped_and_reports_where_it_was() -> None:
    async def spin() -> None:
        while True:
            pass

    with pytest.raises(EndlessError, match="in spin"), at_most(0.05):
        asyncio.run(spin())


def test_a_seed_repeats_its_run_and_another_seed_differs(pool: Pool) -> None:
    first, again, another = pool.map(run, [Task(7), Task(7), Task(8)], chunksize=1)
    assert (first.fingerprint, first.steps, first.told) == (again.fingerprint, again.steps, again.told)
    assert first.fingerprint != another.fingerprint


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.protection)
def test_with_a_protection_off_a_rule_is_broken(pool: Pool, control: Control) -> None:
    tasks = [Task(control.first + seed, control.commands, control.protection) for seed in range(control.seeds)]
    first, spared = pool.map(run, [tasks[0], replace(tasks[0], spared=True)], chunksize=1)
    assert spared.broken is None
    others = (tasks[start : start + AT_ONCE] for start in range(1, control.seeds, AT_ONCE))
    found = first.broken or any(one.broken for some in others for one in pool.map(run, some, chunksize=1))
    assert found, f"nothing was found in {control.seeds} seeds"


def test_a_broken_rule_is_named_and_its_trace_leads_to_it(pool: Pool) -> None:
    tasks = [Task(seed, control="point of no return", traced=True) for seed in range(4)]
    outcome = next(one for one in pool.map(run, tasks, chunksize=1) if one.broken)
    assert outcome.broken is not None
    assert "was taken before it was sold" in outcome.broken
    assert any("BROKEN" in line and outcome.broken in line for line in outcome.trace)
    assert any("asks Reserve(" in line for line in outcome.trace)
