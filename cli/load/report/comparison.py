"""A report beside an earlier one of the same load: ratios, and what became worse."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cli.load.plan import Plan, PlanError
from cli.load.report.schema import REPORT, Report, errors_of


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure then and now. It is worse when it moved the wrong way by more than the tolerance."""

    name: str
    before: float
    now: float
    is_worse: bool

    @property
    def ratio(self) -> float:
        """Now for each of before; 0 when there was nothing."""
        return self.now / self.before if self.before else 0.0


def earlier(file: Path, plan: Plan) -> Report:
    """Return an earlier report of the same load. Raises PlanError when it is none."""
    try:
        report = REPORT.validate_json(file.read_bytes())
    except OSError as error:
        raise PlanError(f"--compare: {file} cannot be read: {error.strerror}") from None
    except ValidationError:
        raise PlanError(f"--compare: {file} is not the report.json of a load test of this release") from None
    load, model = report["load"], plan.model
    then = (load["scenario"], load.get("rates"), load.get("users"))
    rates = None if model.users is not None else [stage.last_rate for stage in model.stages if stage.is_measured]
    if then != (plan.scenario, rates, model.users):
        raise PlanError(f"--compare: {file} is of another load: {load['scenario']}, {load['inWords']}")
    return report


def compare(before: Report, now: Report, tolerance: float) -> list[Compared]:
    """Return the figures that matter, each with whether it became worse."""
    begun = before["starts"]["achievedPerSecond"], now["starts"]["achievedPerSecond"]
    found = [
        _more_is_better("visits begun a second", *begun, tolerance),
        _more_is_better("answers a second", before["answersPerSecond"], now["answersPerSecond"], tolerance),
    ]
    for name in sorted(before["operations"].keys() & now["operations"].keys()):
        then, today = before["operations"][name]["corrected"], now["operations"][name]["corrected"]
        found.append(_less_is_better(f"{name}: p50 ms", then["p50"], today["p50"], tolerance))
        found.append(_less_is_better(f"{name}: p99 ms", then["p99"], today["p99"], tolerance))
    errors = errors_of(before["all"]["outcomes"]), errors_of(now["all"]["outcomes"])
    return [*found, _less_is_better("errors", *errors, tolerance)]


def _more_is_better(name: str, before: float, now: float, tolerance: float) -> Compared:
    return Compared(name, before, now, now < before * (1 - tolerance))


def _less_is_better(name: str, before: float, now: float, tolerance: float) -> Compared:
    return Compared(name, before, now, now > before * (1 + tolerance))
