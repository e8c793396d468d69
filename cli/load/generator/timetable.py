"""When visits begin: a timetable that the seed makes, the same for any number of generators that share it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, islice
from math import sqrt
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the timetable: arrivals a second at its begin and at its end, and whether its figures count.

    A closed model has no arrivals: then both rates are 0.
    """

    name: str
    seconds: float
    first_rate: float
    last_rate: float
    is_measured: bool = True

    @property
    def arrivals(self) -> float:
        """How many arrivals are to be expected in it."""
        return self.seconds * (self.first_rate + self.last_rate) / 2

    def moment(self, arrivals: float) -> float:
        """Return the seconds from its begin until so many arrivals are to be expected."""
        slope = (self.last_rate - self.first_rate) / self.seconds
        if slope == 0:
            return arrivals / self.first_rate
        return (sqrt(self.first_rate**2 + 2 * slope * arrivals) - self.first_rate) / slope


class Arrival(NamedTuple):
    """A visit that is to begin so many seconds after the load began, in the stage with this index."""

    number: int
    at: float
    stage: int


def arrivals(stages: Sequence[Stage], seed: int, *, is_poisson: bool) -> Iterator[Arrival]:
    """Yield the arrivals of all stages in order.

    With Poisson arrivals the gaps are independent of each other, as of people who do not know of each other. Otherwise
    they are equal as long as the rate is.
    """
    chance = random.Random(seed)  # noqa: S311 - to have the same timetable again, no secret
    begins = [0.0, *accumulate(stage.seconds for stage in stages)]
    before = [0.0, *accumulate(stage.arrivals for stage in stages)]
    expected, index = 0.0, 0
    for number in count():
        if is_poisson:
            expected += chance.expovariate(1.0)
        elif number:
            expected += 1.0
        while expected >= before[index + 1]:
            index += 1
            if index == len(stages):
                return
        yield Arrival(number, begins[index] + stages[index].moment(expected - before[index]), index)


def share(of: Iterator[Arrival], index: int, generators: int) -> Iterator[Arrival]:
    """Return every n-th arrival: together the generators follow one timetable, and none is in step with another."""
    return islice(of, index, None, generators)


def stage_at(stages: Sequence[Stage], at: float) -> int | None:
    """Return the index of the stage at this moment, None after the last."""
    ends = accumulate(stage.seconds for stage in stages)
    return next((index for index, end in enumerate(ends) if at < end), None)
