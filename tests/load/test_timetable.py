"""The timetable of a load: its rates, its stages, and that generators share it."""

from itertools import pairwise

import pytest

from cli.load.generator.timetable import Stage, arrivals, share, stage_at

RAMP = Stage("ramp", 10, 0, 300, is_measured=False)
HOLD = Stage("300/s", 20, 300, 300)
FASTER = Stage("600/s", 10, 600, 600)


def test_constant_arrivals_are_as_many_as_asked_for_and_equally_far_apart() -> None:
    timetable = list(arrivals([HOLD], 1, is_poisson=False))
    assert len(timetable) == 6_000
    gaps = [later.at - earlier.at for earlier, later in pairwise(timetable)]
    assert min(gaps) == pytest.approx(1 / 300, rel=1e-6)
    assert max(gaps) == pytest.approx(1 / 300, rel=1e-6)


def test_poisson_arrivals_keep_the_rate_within_two_percent_and_have_unequal_gaps() -> None:
    timetable = list(arrivals([Stage("hold", 200, 300, 300)], 1, is_poisson=True))
    assert len(timetable) == pytest.approx(60_000, rel=0.02)
    gaps = [later.at - earlier.at for earlier, later in pairwise(timetable)]
    mean = sum(gaps) / len(gaps)
    # Of an exponential distribution the deviation equals the mean.
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.02)


def test_a_ramp_grows_steadily_to_the_rate() -> None:
    timetable = [arrival.at for arrival in arrivals([RAMP, HOLD], 1, is_poisson=False)]
    assert len(timetable) == 1_500 + 6_000
    in_seconds = [sum(second <= at < second + 1 for at in timetable) for second in range(12)]
    # The second that begins at s has (s + 0.5) times 30.
    assert in_seconds[:10] == pytest.approx([15 + 30 * second for second in range(10)], abs=1)
    assert in_seconds[10:] == pytest.approx([300, 300], abs=1)


def test_each_arrival_is_in_the_stage_of_its_time() -> None:
    stages = [RAMP, HOLD, FASTER]
    timetable = list(arrivals(stages, 3, is_poisson=True))
    assert {arrival.stage for arrival in timetable} == {0, 1, 2}
    assert all(stage_at(stages, arrival.at) == arrival.stage for arrival in timetable)
    assert stage_at(stages, 40) is None


def test_same_seed_makes_the_same_timetable_and_another_seed_another() -> None:
    one, same, other = (list(arrivals([HOLD], seed, is_poisson=True)) for seed in (5, 5, 6))
    assert one == same
    assert one != other


@pytest.mark.parametrize("generators", [1, 2, 3, 7])
def test_generators_together_follow_one_timetable(generators: int) -> None:
    whole = list(arrivals([RAMP, HOLD], 9, is_poisson=True))
    shares = [list(share(iter(whole), index, generators)) for index in range(generators)]
    assert sorted(arrival for each in shares for arrival in each) == whole
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
