"""``make simulate``: many seeds on all cores; says what was found, and how to see it again."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.simulation.market import Placement
from tests.simulation.simulation import COMMANDS
from tests.simulation.summary import Summary
from tests.simulation.workers import Task, run, workers


def main() -> int:
    """Exit status 1 when a rule was broken."""
    options = _options()
    console = Console()
    if options.seed is not None:
        return _replay(_task(options.seed, options), console)
    tasks = [_task(seed, options) for seed in range(options.first, options.first + options.seeds)]
    summary = Summary()
    with workers() as pool, Progress(console=console) as progress:
        for outcome in progress.track(pool.imap_unordered(run, tasks), total=len(tasks), description="seeds"):
            summary.add(outcome)
            if outcome.broken is not None:
                progress.console.print(f"seed {outcome.seed}: {outcome.broken}", markup=False)
    _show(summary, console)
    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
    for outcome in summary.broken[:1]:
        console.print(f"see it again with: make simulate SEED={outcome.seed}", markup=False)
    return 1 if summary.broken else 0


def _task(seed: int, options: argparse.Namespace) -> Task:
    placement: Placement | None = options.placement
    return Task(seed, options.commands, pace=options.pace, placement=placement, partitions=options.partitions)


def _replay(task: Task, console: Console) -> int:
    with workers() as pool:
        outcome = pool.apply(run, [replace(task, traced=True)])
    for line in outcome.trace:
        print(line)  # noqa: T201 - for people, and for grep
    console.print(f"seed {task.seed}, {outcome.steps:,} steps: {outcome.broken or 'no rule was broken'}", markup=False)
    return 0 if outcome.broken is None else 1


def _show(summary: Summary, console: Console) -> None:
    table = Table("", "")
    for name, count in summary.rows():
        table.add_row(name, count)
    console.print(table)
    faults = Table("fault", "times")
    for kind, times in sorted(summary.faults.items()):
        faults.add_row(kind.replace("_", " "), f"{times:,}")
    console.print(faults)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--commands", type=int, default=COMMANDS, help="how many commands people give in each")
    parser.add_argument("--pace", type=float, help="seconds between two commands; otherwise the seed says")
    parser.add_argument("--placement", choices=("shared", "dedicated"), help="where tickets live; else the seed says")
    parser.add_argument("--partitions", type=int, default=1, help="in how many databases the journal is")
    parser.add_argument("--seed", type=int, help="only this one, with its trace")
    parser.add_argument("--report", type=Path, help="where to write the figures, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
