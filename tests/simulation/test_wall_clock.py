"""A simulation has no time but its own."""

from collections.abc import Iterator
from multiprocessing.pool import Pool

import pytest

from actors.runtime.clock import SharedClock
from tests.simulation.wall_clock import run_watched, watched
from tests.simulation.workers import Task, workers

# The figure of how long a seed took, for people, and nothing rests on it.
ELAPSED = ("tests/simulation/simulation.py", "process_time")
# Several, as not in every one of them somebody buys something.
SEEDS = range(4)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with workers() as pool:
        yield pool


def test_the_wall_clock_is_read_only_to_time_a_seed(pool: Pool) -> None:
    watched_seeds = pool.map(run_watched, [Task(seed, commands=60) for seed in SEEDS])
    assert [outcome.broken for outcome, _ in watched_seeds] == [None] * len(SEEDS)
    assert sum(outcome.sold for outcome, _ in watched_seeds) > 0
    assert {clock for _, asked in watched_seeds for clock in asked} == {ELAPSED}


async def _never() -> float:
    raise AssertionError


def test_a_read_of_the_wall_clock_is_found_even_through_a_default_bound_before() -> None:
    _, asked = watched(lambda: SharedClock(_never).now())
    assert asked == {("actors/runtime/clock.py", name) for name in ("time", "monotonic")}
