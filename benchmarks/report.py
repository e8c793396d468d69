"""The results: tables for the terminal, JSON for programs, and a plot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import load
from benchmarks.bench import Outcome, Plan
from benchmarks.peers import cluster
from cli.load.report.machine import machine

PACKAGES = ("ray", "fastapi", "pymongo", "secantusdb", "asyncpg", "uvicorn", "uvloop")
RESULTS = Path(__file__).parent / "results"
_WRONG_SHOWN = 10
_TENTHS_BELOW = 100


def measured_on(database: str) -> dict[str, Any]:
    """What the figures were measured on; `database` is what its server says it is."""
    found = machine(PACKAGES)
    versions = {**found["versions"], "postgresql": cluster.version()}
    return {**found, "load_generator": load.generator(), "database": database, "versions": versions}


def as_json(plan: Plan, database: str, outcomes: Sequence[Outcome]) -> str:
    """Everything, each round included."""
    scenarios = {outcome.name: asdict(outcome) for outcome in outcomes}
    plans = {**asdict(plan), "database": database}
    return json.dumps({"machine": measured_on(database), "plan": plans, "scenarios": scenarios}, indent=2)


def show(console: Console, database: str, outcomes: Sequence[Outcome]) -> None:
    """Print a table for each scenario, what it found wrong, and what to know."""
    for outcome in outcomes:
        console.print(table_of(f"{outcome.name}: {outcome.title}", outcome.summary))
        if outcome.costs:
            console.print(sideways("what one success costs: CPU in ms by process, calls, commands", outcome.costs))
        for note in outcome.notes:
            console.print(f"  {note}")
        for complaint in outcome.wrong[:_WRONG_SHOWN]:
            console.print(f"  [red]wrong:[/red] {complaint}")
        books = "found nothing" if outcome.verified else "[red]complains[/red]"
        console.print(f"  {len(outcome.wrong)} wrong; {outcome.judge} {books}\n")
    console.print(f"on {database}; load from {load.generator()}, unless a scenario says otherwise")


def table_of(title: str, lines: Sequence[Mapping[str, Any]]) -> Table:
    """A line for each, a column for each figure."""
    headings = list(dict.fromkeys(name for line in lines for name in line))
    table = Table(*(heading.replace("_", " ") for heading in headings), title=title, title_justify="left")
    for line in lines:
        table.add_row(*(spoken(line.get(heading)) for heading in headings))
    return table


def sideways(title: str, lines: Sequence[Mapping[str, Any]]) -> Table:
    """A column for each, a line for each figure: for more figures than a terminal is wide."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    table = Table("", *(spoken(line.get(names[0])) for line in lines), title=title, title_justify="left")
    for name in names[1:]:
        table.add_row(name.replace("_", " "), *(spoken(line.get(name)) for line in lines))
    return table


def spoken(value: object) -> str:
    """A figure as people read it."""
    match value:
        case None:
            return "-"
        case float() if abs(value) < 10:  # noqa: PLR2004 - three digits that mean something
            return f"{value:.3g}"
        case float() if abs(value) < _TENTHS_BELOW:
            return f"{value:.1f}"
        case int() | float():
            return f"{value:,.0f}"
        case Mapping():
            return ", ".join(f"{name} {spoken(each)}" for name, each in value.items()) or "-"
        case _:
            return str(value)
