"""What came of a nemesis."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.judgement import UNAVAILABLE, longest_gap, served_again_after, slowest
from tests.chaos.records import Answer, Verb


@dataclass(slots=True)
class Hit:
    """One strike. Seconds: until everybody was served again, until another process stood in, without any success."""

    served_after: float
    replaced_after: float | None
    gap: float
    slowest: float
    # From the moment at which what was away had come back.
    served_after_return: float | None = None
    # How many processes of this machine wanted to run, on average of the last minute: others use it too.
    machine_load: float = field(default_factory=lambda: os.getloadavg()[0])


def hit(answers: Sequence[Answer], verb: Verb, at: float, until: float, *, replaced_after: float | None = None) -> Hit:
    """What the answers say of a strike at `at` that was over by `until`."""
    served = served_again_after(answers, verb, at)
    if served is None:
        raise TimeoutError(f"nobody could {verb} again")
    return Hit(served, replaced_after, longest_gap(answers, verb, at, until), slowest(answers, verb, at))


@dataclass(slots=True)
class Outcome:
    """All strikes of one nemesis, and what was found afterwards. `limit` and `unnoticed` are as in Nemesis."""

    nemesis: str
    limit: float | None = None
    unnoticed: bool = False
    hits: list[Hit] = field(default_factory=list)
    reservations: int = 0
    refused: int = 0
    broken: int = 0
    wrong: list[str] = field(default_factory=list)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    violations: list[Any] = field(default_factory=list)
    in_progress: int = 0
    error: str | None = None

    def count(self, answers: Sequence[Answer]) -> None:
        """Count what was asked and refused."""
        self.reservations = sum(answer.verb is Verb.RESERVE for answer in answers)
        self.refused = sum(answer.status == UNAVAILABLE for answer in answers)
        self.broken = sum(answer.status is None for answer in answers)

    @property
    def is_as_promised(self) -> bool:
        """Whether nothing was wrong, and each strike was over in time."""
        took = [each.gap if self.unnoticed else each.served_after for each in self.hits]
        in_time = self.limit is None or all(seconds <= self.limit for seconds in took)
        return in_time and not (self.wrong or self.lost or self.violations or self.in_progress or self.error)
