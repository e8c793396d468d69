"""The form of ``report.json``. docs/load-report.schema.json is made of it: `python -m cli.load.report.schema`."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from cli.load.generator.tally import ERRORS

FORMAT: Final = "holdfast-load-report/1"
_STRICT = ConfigDict(extra="forbid")

Result = Literal["met", "not met", "wrong", "generator saturated"]


@with_config(_STRICT)
class LoadView(TypedDict):
    """What was asked for. Durations are in seconds."""

    scenario: str
    model: Literal["open", "closed"]
    inWords: str
    target: str
    seed: int
    arrivals: NotRequired[Literal["poisson", "constant"]]
    rates: NotRequired[list[float]]
    users: NotRequired[int]
    thinkSeconds: NotRequired[float]
    rampSeconds: float
    measuredSeconds: float
    generators: int
    place: str
    connections: int
    buyers: int
    tickets: int
    stopIf: list[str]


@with_config(_STRICT)
class MachineView(TypedDict):
    """Where the command ran, and with what."""

    at: str
    commit: str
    architecture: str
    cores: int | None
    memoryGb: float
    python: str
    loadAverage: float
    versions: dict[str, str]


@with_config(_STRICT)
class LatencyView(TypedDict):
    """Percentiles in milliseconds."""

    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    max: float


@with_config(_STRICT)
class StartsView(TypedDict):
    """Visits: how many were to begin and did, how many late or never, and both as rates a second."""

    asked: int
    started: int
    late: int
    dropped: int
    askedPerSecond: float
    achievedPerSecond: float


@with_config(_STRICT)
class OperationView(TypedDict):
    """One kind of request. `reasons` are those of refusals, limits and missing answers."""

    answers: int
    corrected: LatencyView
    uncorrected: LatencyView
    outcomes: dict[str, int]
    reasons: dict[str, int]


@with_config(_STRICT)
class StageView(TypedDict):
    """One step of the load; the ramp does not count for the figures of the whole."""

    name: str
    seconds: float
    isMeasured: bool
    starts: StartsView
    answers: int
    corrected: LatencyView
    outcomes: dict[str, int]


@with_config(_STRICT)
class SecondView(TypedDict):
    """One second of the load, by the end of the requests. Latencies are corrected, in milliseconds."""

    second: int
    started: int
    late: int
    dropped: int
    inFlight: int
    answers: int
    outcomes: dict[str, int]
    p50: float
    p99: float
    generatorCpu: float


@with_config(_STRICT)
class ScaleEventView(TypedDict):
    """A change of the market's members while the load ran, in seconds after its begin."""

    second: float
    version: int


@with_config(_STRICT)
class GeneratorView(TypedDict):
    """How busy the busiest generator was (1 is a core), how many visits began late because of it."""

    cpuShare: float
    laggingShare: float
    saturated: bool


@with_config(_STRICT)
class MeanAndHighest(TypedDict):
    """A figure of which there are many; its unit is in the name of the field that has it."""

    mean: float
    highest: float


@with_config(_STRICT)
class ActorsView(TypedDict):
    """The actors of one kind. What no actor of the kind reports is null.

    There were at most `actors` of them. `silent` counts the questions that one did not answer in time. `busyShare` is
    a share of the time, 0 to 1; its highest is that of one actor. `deepestMailbox` counts messages, `mostBehind`
    commits that were not in the documents or in the event stream yet, each of one actor. Of commits the highest is the
    highest mean between two samples. `fenced` counts commits that another writer was faster with.
    """

    actors: int
    silent: int
    busyShare: MeanAndHighest | None
    deepestMailbox: int | None
    longestWaitMilliseconds: float | None
    mostBehind: int | None
    messagesPerSecond: float
    messagesPerTurn: float | None
    commitsPerSecond: float
    commitMilliseconds: MeanAndHighest | None
    fenced: int


@with_config(_STRICT)
class ServerView(TypedDict):
    """How long a server took to answer the command, and how many times it did not. Redis is connected to each time."""

    answerMilliseconds: MeanAndHighest | None
    away: int


@with_config(_STRICT)
class SampleView(TypedDict):
    """The busiest actor of each kind (0 to 1), so many seconds after the begin of the load."""

    second: float
    busyShare: dict[str, float]


@with_config(_STRICT)
class MarketView(TypedDict):
    """What the market did meanwhile, by so many samples. `whyNone` says why there are none. The series has the ramp."""

    samples: int
    whyNone: str | None
    actors: dict[str, ActorsView]
    servers: dict[str, ServerView]
    series: list[SampleView]


@with_config(_STRICT)
class VerificationView(TypedDict):
    """What `holdfast verify` found afterwards, or why it could not look."""

    state: Literal["agrees", "violated", "not done"]
    detail: str


@with_config(_STRICT)
class VerdictView(TypedDict):
    """The result, why, and the command's exit code without a comparison."""

    result: Result
    reasons: list[str]
    exitCode: int


@with_config(_STRICT)
class Report(TypedDict):
    """All that a load test found. Figures are of the measured stages, without the ramp, unless they say otherwise.

    A field that is added keeps the format's number and is not required, so that earlier reports can be compared with.
    The number changes when a field is renamed, removed, or means something else.
    """

    format: Literal["holdfast-load-report/1"]
    load: LoadView
    machine: MachineView
    settings: dict[str, Any] | None
    starts: StartsView
    answersPerSecond: float
    all: OperationView
    operations: dict[str, OperationView]
    stages: list[StageView]
    series: list[SecondView]
    scaleEvents: list[ScaleEventView]
    generator: GeneratorView
    market: NotRequired[MarketView]
    wrong: list[str]
    stopped: str | None
    verification: VerificationView
    verdict: VerdictView


def errors_of(outcomes: Mapping[str, int]) -> int:
    """Return how many of the answers were errors: of the market or of what is before it, not refusals or limits."""
    return sum(outcomes[kind] for kind in ERRORS)


REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **REPORT.json_schema()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
