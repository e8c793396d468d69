"""Latencies of several generators become one histogram: percentiles are never averaged."""

import random
from math import ceil

import pytest

from cli.load.generator.tally import Latencies, Tally
from tests.load.support.plans import snapshot


def milliseconds(seed: int) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [chance.lognormvariate(3, 1) for _ in range(2_000)]


def test_a_percentile_is_within_a_thousandth_of_what_was_recorded() -> None:
    latencies, values = Latencies(), sorted(milliseconds(1))
    for each in values:
        latencies.record(each / 1_000)
    for percent in (50, 90, 99, 99.9):
        exact = values[ceil(len(values) * percent / 100) - 1] / 1_000
        assert latencies.percentile(percent) == pytest.approx(exact, rel=0.001)
    assert latencies.longest == pytest.approx(values[-1] / 1_000, rel=0.001)
    assert latencies.count == 2_000


def test_two_generators_merged_have_the_percentiles_of_one_that_did_it_all() -> None:
    values = milliseconds(2)
    one, two = Tally(), Tally()
    one.add(snapshot({"reserve": values}))
    for index in (0, 1):
        two.add(snapshot({"reserve": values[index::2]}, generator=index))
    alone, merged = one.cell(0, "reserve").corrected, two.cell(0, "reserve").corrected
    assert merged.count == alone.count == 2_000
    assert [merged.percentile(p) for p in (50, 90, 99, 99.9, 100)] == [
        alone.percentile(p) for p in (50, 90, 99, 99.9, 100)
    ]
    assert two.of_stage(0) == one.of_stage(0)


def test_a_slow_generator_is_not_averaged_away() -> None:
    """Of two halves with a p99 of 1 and of 100 ms, the whole has a p99 of 100 ms."""
    tally = Tally()
    tally.add(snapshot({"reserve": [1.0] * 1_000}))
    tally.add(snapshot({"reserve": [1.0] * 950 + [100.0] * 50}, generator=1))
    assert tally.cell(0, "reserve").corrected.percentile(99) == pytest.approx(0.1, rel=0.001)


def test_what_was_taken_is_not_counted_twice() -> None:
    tally = Tally()
    tally.cell(0, "reserve").corrected.record(1)
    tally.cell(0, "reserve").outcomes["made", ""] += 1  # type: ignore[index]
    tally.of_stage(0).asked += 1
    assert len(tally.take()[0]) == 1
    assert tally.take() == ({}, {})
