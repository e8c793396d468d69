"""Conditions such as ``p99>2s,errors>1%``: when one holds, the load is stopped, and was not met."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Self

from cli.load.generator.tally import ERRORS, PERCENTILES, Latencies, Outcome

LATENCIES = {**{f"p{percent:g}": percent for percent in PERCENTILES}, "max": None}
SHARES = {
    "errors": ERRORS,
    **{outcome.value: (outcome,) for outcome in Outcome if outcome is not Outcome.MADE},
}
# With fewer answers a percentile says nothing.
LEAST_ANSWERS = 50
_CONDITION = re.compile(r"\s*([a-z0-9.]+)\s*>\s*([0-9.]+)\s*(ms|s|%)\s*")


@dataclass(frozen=True, slots=True)
class Answers:
    """What conditions look at: all operations together, from the intended start."""

    latencies: Latencies
    outcomes: Counter[Outcome]

    def share(self, of: tuple[Outcome, ...]) -> float:
        """Return the share of these among all answers; 0 of nothing."""
        total = self.outcomes.total()
        return sum(self.outcomes[outcome] for outcome in of) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """More than so many seconds of a percentile, or more than this share of an outcome."""

    text: str
    metric: str
    limit: float

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the condition that the text says. Raises ValueError, which says what there is."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text.strip()!r} must be like p99>2s or errors>1%")
        metric, number, unit = match[1], float(match[2]), match[3]
        known = SHARES if unit == "%" else LATENCIES
        if metric not in known:
            raise ValueError(f"{metric} must be one of {', '.join(known)}, where the limit is in {unit}")
        return cls(text.strip(), metric, number * {"ms": 0.001, "s": 1.0, "%": 0.01}[unit])

    def holds(self, answers: Answers) -> bool:
        """Whether the limit is crossed."""
        if answers.latencies.count < LEAST_ANSWERS:
            return False
        if self.metric in SHARES:
            return answers.share(SHARES[self.metric]) > self.limit
        percent = LATENCIES[self.metric]
        value = answers.latencies.longest if percent is None else answers.latencies.percentile(percent)
        return value > self.limit


def conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a list with commas. Raises ValueError."""
    return tuple(Condition.of(each) for each in text.split(",")) if text else ()
