"""The load itself: generators are begun, what they tell is added up, and a stop condition ends it early."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cli.load.conditions import Answers
from cli.load.errors import LoadError
from cli.load.fleet import Fleet
from cli.load.generator.tally import Latencies, Outcome, PackedCell, Snapshot, Starts, Tally
from cli.load.interruption import interruptible
from cli.load.market.samples import Samples
from cli.load.plan import Plan
from cli.load.preparation import LIMITED

# Stop conditions look at so many seconds, so that a market that was fast for an hour can break down now.
WINDOW_SECONDS = 10
# When most of the first answers are 429, the load measures nothing but the limit.
_FIRST_ANSWERS = 20
_TAKE_SECONDS = 0.25
_WRONG_KEPT = 20


@dataclass(slots=True)
class Second:
    """What all generators told of one second. Latencies stay packed: a load may have thousands of seconds."""

    starts: Starts = field(default_factory=Starts)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    latencies: list[bytes] = field(default_factory=list)
    cpu_shares: dict[int, float] = field(default_factory=dict)
    in_flight: int = 0

    def add(self, snapshot: Snapshot) -> None:
        """Count what one generator told."""
        for starts in snapshot.starts.values():
            self.starts.add(starts)
        for cell in snapshot.cells.values():
            self.latencies.append(cell.corrected)
            self.outcomes.update(_by_outcome(cell))
        self.cpu_shares[snapshot.generator] = snapshot.cpu_share
        self.in_flight += snapshot.in_flight


@dataclass(slots=True)
class Measurement:
    """What came of a load, or of a load so far. `stopped` says which condition ended it early.

    `began_at` is in seconds of the wall clock. `market` is what the market did meanwhile.
    """

    plan: Plan
    place: str = ""
    began_at: float = 0.0
    tally: Tally = field(default_factory=Tally)
    seconds: dict[int, Second] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    stopped: str | None = None
    market: Samples = field(default_factory=Samples)

    def add(self, snapshot: Snapshot) -> None:
        """Count what a generator told."""
        self.tally.add(snapshot)
        self.seconds.setdefault(snapshot.second, Second()).add(snapshot)
        self.wrong.extend(snapshot.wrong[: _WRONG_KEPT - len(self.wrong)])

    @property
    def last_second(self) -> int:
        """The last second that was told of; 0 before."""
        return max(self.seconds, default=0)

    @property
    def measured_stages(self) -> list[int]:
        """The indexes of the stages that count."""
        return [index for index, stage in enumerate(self.plan.model.stages) if stage.is_measured]

    @property
    def is_limited(self) -> bool:
        """Whether most of the answers are 429."""
        outcomes = self.outcomes(range(len(self.plan.model.stages)))
        return outcomes.total() >= _FIRST_ANSWERS and outcomes[Outcome.LIMITED] > outcomes.total() / 2

    def outcomes(self, stages: Sequence[int]) -> Counter[Outcome]:
        """Return how many answers there were of each kind."""
        found: Counter[Outcome] = Counter()
        for (stage, _), cell in self.tally.cells.items():
            if stage in stages:
                for (outcome, _reason), count in cell.outcomes.items():
                    found[outcome] += count
        return found

    def starts(self, stages: Sequence[int]) -> Starts:
        """Return how visits of these stages began."""
        found = Starts()
        for stage in stages:
            found.add(self.tally.of_stage(stage))
        return found

    def answers(self, stages: Sequence[int]) -> Answers:
        """Return what conditions look at, of these stages."""
        latencies = Latencies()
        for (stage, _), cell in self.tally.cells.items():
            if stage in stages:
                latencies.add(cell.corrected)
        return Answers(latencies, self.outcomes(stages))


def measure(plan: Plan, fleet: Fleet, on_news: Callable[[Measurement], None]) -> Measurement:
    """Return what came of the load; Ctrl-C ends it early. Raises LoadError when it measured nothing."""
    found = Measurement(plan)
    looked_at = 0
    with interruptible() as is_interrupted:
        found.began_at = fleet.begin()
        found.place = fleet.place
        while not fleet.is_over:
            for snapshot in fleet.take(_TAKE_SECONDS):
                found.add(snapshot)
            if found.is_limited:
                raise LoadError(LIMITED)
            if is_interrupted.is_set():
                _stop(found, fleet, "Ctrl-C")
            elif found.last_second > looked_at:
                looked_at = found.last_second
                _stop(found, fleet, _first_that_holds(found))
            on_news(found)
    return found


def _stop(found: Measurement, fleet: Fleet, reason: str | None) -> None:
    """Stop the load if there is a reason, and it was not stopped before."""
    if reason is not None and found.stopped is None:
        found.stopped = reason
        fleet.stop()


def _first_that_holds(found: Measurement) -> str | None:
    """Return the first stop condition that holds of the last seconds, without the ramp."""
    if not found.plan.stop_if:
        return None
    first = max(found.plan.model.ramp_seconds, found.last_second - WINDOW_SECONDS)
    latencies, outcomes = Latencies(), Counter[Outcome]()
    for each in (each for at, each in found.seconds.items() if at >= first):
        outcomes.update(each.outcomes)
        for packed in each.latencies:
            latencies.add_packed(packed)
    return next((each.text for each in found.plan.stop_if if each.holds(Answers(latencies, outcomes))), None)


def _by_outcome(cell: PackedCell) -> Counter[Outcome]:
    found: Counter[Outcome] = Counter()
    for (outcome, _), count in cell.outcomes.items():
        found[outcome] += count
    return found
