"""What came of a load, and the arithmetic of rates, percentiles and medians."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WRONG_SHOWN = 20


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank); 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def ratio(ours: float, theirs: float) -> float:
    """Ours for each of theirs; 0 when there is nothing to compare with."""
    return ours / theirs if theirs else 0.0


@dataclass(slots=True)
class Result:
    """What came back. `took` holds the seconds of each success, `refused_took` those of refusals.

    `seconds` is from the first request to the last answer. `unanswered` were sent and had no answer when time was up.
    `cpu_seconds` is what the generator itself took.
    """

    generator: str = ""
    seconds: float = 0.0
    sent: int = 0
    took: list[float] = field(default_factory=list)
    refused_took: list[float] = field(default_factory=list)
    successes: int = 0
    refusals: Counter[int] = field(default_factory=Counter)
    wrong_count: int = 0
    wrong: list[str] = field(default_factory=list)
    reconnects: int = 0
    cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Successes a second; refusals and wrong answers do not count."""
        return self.successes / self.seconds if self.seconds else 0.0

    @property
    def refusal_rate(self) -> float:
        """Refusals a second."""
        return self.refusals.total() / self.seconds if self.seconds else 0.0

    @property
    def unanswered(self) -> int:
        """Requests whose answer nobody waited for when time was up."""
        return self.sent - self.successes - self.refusals.total() - self.wrong_count

    def complain(self, complaint: str) -> None:
        """Count a wrong answer; the first twenty are kept in words."""
        self.wrong_count += 1
        if len(self.wrong) < WRONG_SHOWN:
            self.wrong.append(complaint)

    def milliseconds(self, share: float) -> float:
        """The latency that this share of the successes did not exceed."""
        return percentile(self.took, share) * 1_000

    def figures(self) -> dict[str, Any]:
        """The figures for the report; times in milliseconds."""
        return {
            "per_second": self.rate,
            "p50_ms": self.milliseconds(0.5),
            "p99_ms": self.milliseconds(0.99),
            "successes": self.successes,
            "refusals": {str(status): count for status, count in sorted(self.refusals.items())},
            "refusals_per_second": self.refusal_rate,
            "wrong": self.wrong_count,
            "unanswered": self.unanswered,
            "seconds": self.seconds,
            "generator": self.generator,
        }
