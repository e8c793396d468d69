"""What generators count, and how the counts of several become one. Latencies are in histograms, which can be merged."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from hdrh.histogram import HdrHistogram

# Latencies are recorded in microseconds, to three digits, up to ten minutes.
_LONGEST = 600_000_000
_DIGITS = 3
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class Outcome(StrEnum):
    """How a request ended for the one who asked. A refusal is a success of the market: it says the truth in time."""

    MADE = "made"
    REFUSED = "refused"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    WRONG = "wrong"


# Those that count as errors.
ERRORS = (Outcome.UNAVAILABLE, Outcome.UNKNOWN, Outcome.WRONG)


class Latencies:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self.histogram = HdrHistogram(1, _LONGEST, _DIGITS)

    def record(self, seconds: float) -> None:
        """Count one."""
        self.histogram.record_value(min(max(int(seconds * 1e6), 1), _LONGEST))

    def add(self, other: "Latencies") -> None:
        """Count all of the other's as well."""
        self.histogram.add(other.histogram)

    def add_packed(self, packed: bytes) -> None:
        """Count all of what `packed` returned."""
        self.histogram.decode_and_add(packed)

    def packed(self) -> bytes:
        """Return it as some hundred bytes, in HdrHistogram's own format."""
        encoded: bytes = self.histogram.encode()
        return encoded

    def reset(self) -> None:
        """Forget all."""
        self.histogram.reset()

    @property
    def count(self) -> int:
        """How many were counted."""
        return int(self.histogram.get_total_count())

    @property
    def longest(self) -> float:
        """The longest, in seconds; 0 of nothing."""
        return int(self.histogram.get_max_value()) / 1e6

    def percentile(self, percent: float) -> float:
        """Return the seconds that this many percent did not exceed; 0 of nothing."""
        return int(self.histogram.get_value_at_percentile(percent)) / 1e6


@dataclass(slots=True)
class Cell:
    """The answers to one kind of request in one stage.

    `corrected` counts from the moment at which the request was meant to be sent, `uncorrected` from when it was.
    """

    corrected: Latencies = field(default_factory=Latencies)
    uncorrected: Latencies = field(default_factory=Latencies)
    outcomes: Counter[tuple[Outcome, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Starts:
    """The visits of one stage: how many were to begin, began, began late, were given up before they could begin.

    `lagging` began late because the generator itself was behind.
    """

    asked: int = 0
    started: int = 0
    late: int = 0
    dropped: int = 0
    lagging: int = 0

    def add(self, other: "Starts") -> None:
        """Count all of the other's as well."""
        self.asked += other.asked
        self.started += other.started
        self.late += other.late
        self.dropped += other.dropped
        self.lagging += other.lagging


@dataclass(frozen=True, slots=True)
class PackedCell:
    """A cell as it travels."""

    corrected: bytes
    uncorrected: bytes
    outcomes: dict[tuple[Outcome, str], int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one generator counted in one second. Keys of `cells` are stage and operation."""

    generator: int
    second: int
    cells: dict[tuple[int, str], PackedCell]
    starts: dict[int, Starts]
    wrong: tuple[str, ...]
    in_flight: int
    cpu_share: float


class Tally:
    """The counts of a generator since its last snapshot, or of all generators together."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, str], Cell] = {}
        self.starts: dict[int, Starts] = {}

    def cell(self, stage: int, operation: str) -> Cell:
        """Return the cell of this operation in this stage."""
        found = self.cells.get((stage, operation))
        if found is None:
            found = self.cells[stage, operation] = Cell()
        return found

    def of_stage(self, stage: int) -> Starts:
        """Return the starts of this stage."""
        return self.starts.setdefault(stage, Starts())

    def add(self, snapshot: Snapshot) -> None:
        """Count what a generator counted."""
        for (stage, operation), packed in snapshot.cells.items():
            cell = self.cell(stage, operation)
            cell.corrected.add_packed(packed.corrected)
            cell.uncorrected.add_packed(packed.uncorrected)
            cell.outcomes.update(packed.outcomes)
        for stage, starts in snapshot.starts.items():
            self.of_stage(stage).add(starts)

    def take(self) -> tuple[dict[tuple[int, str], PackedCell], dict[int, Starts]]:
        """Return what was counted, and begin again."""
        cells = {}
        for key, cell in self.cells.items():
            if cell.outcomes:
                cells[key] = PackedCell(cell.corrected.packed(), cell.uncorrected.packed(), dict(cell.outcomes))
                cell.corrected.reset()
                cell.uncorrected.reset()
                cell.outcomes.clear()
        starts, self.starts = self.starts, {}
        return cells, starts
