"""The report of a measurement."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cli.load.generator.tally import PERCENTILES, Cell, Latencies, Outcome, Starts
from cli.load.measurement import Measurement, Second
from cli.load.plan import Plan
from cli.load.report.machine import machine
from cli.load.report.market import market_of
from cli.load.report.schema import (
    FORMAT,
    LatencyView,
    LoadView,
    OperationView,
    Report,
    ScaleEventView,
    SecondView,
    StageView,
    StartsView,
    VerificationView,
)
from cli.load.report.verdict import generator_of, verdict_of


def report_of(
    measurement: Measurement,
    target: str,
    settings: Mapping[str, Any] | None,
    verification: VerificationView,
    scale_events: Sequence[ScaleEventView],
) -> Report:
    """Return the report. `settings` are the market's, where they are known."""
    plan, stages = measurement.plan, measurement.measured_stages
    lasted = sum(_lasted(measurement, stage) for stage in stages)
    cells = {key: cell for key, cell in measurement.tally.cells.items() if key[0] in stages}
    names = sorted({operation for _, operation in cells})
    everything = _operation(cells.values())
    generator = generator_of(measurement)
    return {
        "format": FORMAT,
        "load": _load(plan, target, measurement.place),
        "machine": machine(),
        "settings": None if settings is None else dict(settings),
        "starts": _starts(measurement.starts(stages), lasted),
        "answersPerSecond": round(everything["answers"] / lasted, 2) if lasted else 0.0,
        "all": everything,
        "operations": {name: _operation(cell for key, cell in cells.items() if key[1] == name) for name in names},
        "stages": [_stage(measurement, index) for index in range(len(plan.model.stages))],
        "series": [_second(number, each) for number, each in sorted(measurement.seconds.items())],
        "scaleEvents": list(scale_events),
        "generator": generator,
        "market": market_of(measurement),
        "wrong": measurement.wrong,
        "stopped": measurement.stopped,
        "verification": verification,
        "verdict": verdict_of(measurement, generator, verification),
    }


def _load(plan: Plan, target: str, place: str) -> LoadView:
    model = plan.model
    view: LoadView = {
        "scenario": plan.scenario,
        "model": "open" if model.users is None else "closed",
        "inWords": plan.model_in_words,
        "target": target,
        "seed": model.seed,
        "rampSeconds": model.ramp_seconds,
        "measuredSeconds": model.seconds - model.ramp_seconds,
        "generators": plan.generators,
        "place": place,
        "connections": plan.connections,
        "buyers": plan.buyers,
        "tickets": plan.tickets,
        "stopIf": [each.text for each in plan.stop_if],
    }
    if model.users is None:
        view["arrivals"] = "poisson" if model.is_poisson else "constant"
        view["rates"] = [stage.last_rate for stage in model.stages if stage.is_measured]
    else:
        view["users"], view["thinkSeconds"] = model.users, model.think_seconds
    return view


def _lasted(measurement: Measurement, index: int) -> float:
    """Return how long a stage lasted: less than planned when the load was stopped."""
    stages = measurement.plan.model.stages
    begin = sum(stage.seconds for stage in stages[:index])
    if measurement.stopped is None:
        return stages[index].seconds
    last = max((number for number, second in measurement.seconds.items() if second.starts.asked), default=-1)
    return min(max(last + 1 - begin, 0.0), stages[index].seconds)


def _starts(starts: Starts, lasted: float) -> StartsView:
    return {
        "asked": starts.asked,
        "started": starts.started,
        "late": starts.late,
        "dropped": starts.dropped,
        "askedPerSecond": round(starts.asked / lasted, 2) if lasted else 0.0,
        "achievedPerSecond": round(starts.started / lasted, 2) if lasted else 0.0,
    }


def _stage(measurement: Measurement, index: int) -> StageView:
    stage = measurement.plan.model.stages[index]
    answers = measurement.answers([index])
    return {
        "name": stage.name,
        "seconds": stage.seconds,
        "isMeasured": stage.is_measured,
        "starts": _starts(measurement.tally.of_stage(index), _lasted(measurement, index)),
        "answers": answers.outcomes.total(),
        "corrected": latencies_view(answers.latencies),
        "outcomes": _named(answers.outcomes),
    }


def _operation(cells: Iterable[Cell]) -> OperationView:
    """Return what came of some cells: their histograms are added, never their percentiles."""
    corrected, uncorrected = Latencies(), Latencies()
    outcomes: Counter[Outcome] = Counter()
    reasons: Counter[str] = Counter()
    for cell in cells:
        corrected.add(cell.corrected)
        uncorrected.add(cell.uncorrected)
        for (outcome, reason), count in cell.outcomes.items():
            outcomes[outcome] += count
            if reason:
                reasons[reason] += count
    return {
        "answers": outcomes.total(),
        "corrected": latencies_view(corrected),
        "uncorrected": latencies_view(uncorrected),
        "outcomes": _named(outcomes),
        "reasons": dict(reasons.most_common()),
    }


def _second(number: int, second: Second) -> SecondView:
    latencies = Latencies()
    for packed in second.latencies:
        latencies.add_packed(packed)
    return {
        "second": number,
        "started": second.starts.started,
        "late": second.starts.late,
        "dropped": second.starts.dropped,
        "inFlight": second.in_flight,
        "answers": second.outcomes.total(),
        "outcomes": _named(second.outcomes),
        "p50": _milliseconds(latencies.percentile(50)),
        "p99": _milliseconds(latencies.percentile(99)),
        "generatorCpu": round(max(second.cpu_shares.values(), default=0.0), 3),
    }


def latencies_view(latencies: Latencies) -> LatencyView:
    """Return the percentiles in milliseconds."""
    p50, p90, p95, p99, p99_9 = (_milliseconds(latencies.percentile(percent)) for percent in PERCENTILES)
    return {"p50": p50, "p90": p90, "p95": p95, "p99": p99, "p99_9": p99_9, "max": _milliseconds(latencies.longest)}


def _named(outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    return {outcome.value: outcomes.get(outcome, 0) for outcome in Outcome}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1_000, 3)
