"""The command ``holdfast load SCENARIO``: prepares, measures, checks what is left, and reports."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress, TaskID

from cli.load import aftermath
from cli.load.fleet.opening import opened
from cli.load.generator.generator import Assignment
from cli.load.live_view import live_view
from cli.load.market.watch import watched
from cli.load.measurement import Measurement, measure
from cli.load.plan import Plan
from cli.load.preparation import OnProgress, Prepared, prepare
from cli.load.report.build import report_of
from cli.load.report.comparison import compare
from cli.load.report.files import WITHOUT_PICTURE, can_draw, write
from cli.load.report.schema import Report
from cli.load.report.text import markdown
from cli.load.report.verdict import Exit
from cli.load.scenarios import SCENARIOS
from cli.load.summaries import SUMMARIES
from cli.running_market import NotRunningError, with_database
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Output:
    """Where the report goes. `earlier` is a report to compare with."""

    folder: Path | None
    earlier: Report | None
    tolerance: float
    as_json: bool


def run(settings: Settings, plan: Plan, url: str, output: Output, *, is_own_market: bool) -> int:
    """Make the load, report, and return the exit code. Raises LoadError and OSError.

    With `is_own_market` the market is the one of the settings, so its database can be asked afterwards.
    """
    if output.folder is not None:
        output.folder.mkdir(parents=True, exist_ok=True)  # before the load, which nobody wants to repeat for that
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"{plan.scenario}: {SUMMARIES[plan.scenario]}\n{plan.model_in_words}", markup=False)
    with _progress(console) as on_progress:
        prepared = uvloop.run(prepare(plan.target, SCENARIOS[plan.scenario], plan.tickets, plan.buyers, on_progress))
    with watched(settings, is_own_market=is_own_market) as samples:
        measurement = _measure(settings, plan, prepared, console)
    measurement.market = samples
    report = _report(settings, measurement, url, is_own_market=is_own_market)
    compared = compare(output.earlier, report, output.tolerance) if output.earlier is not None else []
    if report["verdict"]["exitCode"] == Exit.MET and (worse := [each.name for each in compared if each.is_worse]):
        reasons = [*report["verdict"]["reasons"], f"worse than before: {', '.join(worse)}"]
        report["verdict"] = {"result": "not met", "reasons": reasons, "exitCode": Exit.NOT_MET}
    text = markdown(report, compared)
    sys.stdout.write(json.dumps(report) + "\n" if output.as_json else text)
    if output.folder is not None:
        console.print("report: " + ", ".join(map(str, write(report, text, output.folder))), markup=False)
        if not can_draw():
            console.print(WITHOUT_PICTURE, markup=False)
    return report["verdict"]["exitCode"]


def _measure(settings: Settings, plan: Plan, prepared: Prepared, console: Console) -> Measurement:
    with opened(settings, _assignments(plan, prepared)) as fleet, live_view(console) as on_news:
        return measure(plan, fleet, on_news)


def _assignments(plan: Plan, prepared: Prepared) -> Sequence[Assignment]:
    """Return what each generator has to do; connections are shared out as evenly as they can be."""
    scenario, generators = SCENARIOS[plan.scenario], plan.generators
    return [
        Assignment(
            plan.scenario,
            plan.target,
            plan.model,
            prepared.stock(scenario, index, generators),
            len(range(index, plan.connections, generators)),
            index,
            generators,
        )
        for index in range(generators)
    ]


def _report(settings: Settings, measurement: Measurement, url: str, *, is_own_market: bool) -> Report:
    if not is_own_market and settings.mongodb_url is None:
        detail = "the market's database is not known here: set MONGODB_URL to have its books checked"
        return report_of(measurement, url, None, {"state": "not done", "detail": detail}, [])
    try:
        settings = with_database(settings)
    except NotRunningError as error:
        return report_of(measurement, url, None, {"state": "not done", "detail": str(error)}, [])
    changes = aftermath.scale_events(settings, measurement.began_at)
    shown = aftermath.shown_settings(settings) if is_own_market else None
    return report_of(measurement, url, shown, aftermath.verified(settings), changes)


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    with Progress(console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def on_progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)

        yield on_progress
