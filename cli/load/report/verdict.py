"""Whether a load test was met, and the exit code that says so."""

from enum import IntEnum

from cli.load.generator.tally import Outcome
from cli.load.measurement import Measurement
from cli.load.report.schema import GeneratorView, VerdictView, VerificationView

# With more of its visits late for its own sake, or so much of a core, a generator measures itself.
MOST_LAGGING = 0.05
MOST_CPU = 0.95
# How many of the visits that were asked for have to begin.
LEAST_STARTED = 0.98


class Exit(IntEnum):
    """Exit codes of ``holdfast load``."""

    MET = 0
    NOT_MET = 1
    USAGE = 2
    SATURATED = 3


def generator_of(measurement: Measurement) -> GeneratorView:
    """Return how busy the generators were while it counted."""
    starts = measurement.starts(measurement.measured_stages)
    lagging = starts.lagging / starts.asked if starts.asked else 0.0
    busiest = _busiest(measurement)
    return {
        "cpuShare": round(busiest, 3),
        "laggingShare": round(lagging, 4),
        "saturated": lagging > MOST_LAGGING or busiest > MOST_CPU,
    }


def _busiest(measurement: Measurement) -> float:
    """Return the mean share of a core that the busiest generator took."""
    model = measurement.plan.model
    whole = [each for at, each in measurement.seconds.items() if model.ramp_seconds <= at and at + 1 <= model.seconds]
    indexes = range(measurement.plan.generators)
    of_generators = ([second.cpu_shares.get(index, 0.0) for second in whole] for index in indexes)
    return max((sum(shares) / len(shares) for shares in of_generators if shares), default=0.0)


def verdict_of(measurement: Measurement, generator: GeneratorView, verification: VerificationView) -> VerdictView:
    """Return the verdict. Wrong answers and wrong books come first: then no figure matters."""
    stages = measurement.measured_stages
    outcomes, starts = measurement.outcomes(range(len(measurement.plan.model.stages))), measurement.starts(stages)
    wrong = []
    if outcomes[Outcome.WRONG]:
        wrong.append(f"{outcomes[Outcome.WRONG]:,} answers were wrong")
    if verification["state"] == "violated":
        wrong.append(f"holdfast verify: {verification['detail']}")
    if wrong:
        return {"result": "wrong", "reasons": wrong, "exitCode": Exit.NOT_MET}
    if generator["saturated"]:
        shares = f"{generator['cpuShare']:.0%} of a core, {generator['laggingShare']:.1%} of its visits late"
        reason = f"the generator was the limit ({shares}): use more --generators, or another machine"
        return {"result": "generator saturated", "reasons": [reason], "exitCode": Exit.SATURATED}
    reasons = []
    if measurement.stopped is not None:
        reasons.append(f"stopped: {measurement.stopped}")
    answers = measurement.answers(stages)
    conditions = (each for each in measurement.plan.stop_if if each.text != measurement.stopped)
    reasons += [each.text for each in conditions if each.holds(answers)]
    if starts.asked and starts.started < LEAST_STARTED * starts.asked:
        reasons.append(f"{starts.asked - starts.started:,} of {starts.asked:,} visits could not begin")
    if not outcomes.total():
        reasons.append("nothing was answered")
    if reasons:
        return {"result": "not met", "reasons": reasons, "exitCode": Exit.NOT_MET}
    return {"result": "met", "reasons": [], "exitCode": Exit.MET}
