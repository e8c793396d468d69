"""The outcomes as a table for people and as JSON for programs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.judgement import median
from tests.chaos.outcome import Outcome

SHOWN = 5
BAR_SECONDS = 0.5
LONGEST_BAR = 40


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each nemesis; times are seconds."""
    shown = Table(
        "nemesis", "times", "served again p50", "max", "since its return", "stood in", "longest gap", "slowest answer",
        "503", "broken", "wrong", "verify", "acknowledged", "lost", "machine load", "",
    )  # fmt: skip
    for outcome in outcomes:
        hits = outcome.hits
        shown.add_row(
            outcome.nemesis,
            str(len(hits)),
            _p50([hit.served_after for hit in hits]),
            _max([hit.served_after for hit in hits]),
            _max([hit.served_after_return for hit in hits]),
            _max([hit.replaced_after for hit in hits]),
            _max([hit.gap for hit in hits]),
            _max([hit.slowest for hit in hits]),
            str(outcome.refused),
            str(outcome.broken),
            str(len(outcome.wrong)),
            f"{len(outcome.violations)} violations" if outcome.violations else "clean",
            f"{outcome.acknowledged:,}",
            str(len(outcome.lost)),
            _load([hit.machine_load for hit in hits]),
            "" if outcome.is_as_promised else "[red]broken promise[/red]",
        )
    return shown


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the table, every recovery as a bar, and what was wrong."""
    console.print(table(outcomes))
    for outcome in outcomes:
        for hit in outcome.hits:
            bar = "█" * min(LONGEST_BAR, round(hit.served_after / BAR_SECONDS))
            console.print(f"{outcome.nemesis:>26} {hit.served_after:6.2f} s {bar}", highlight=False)
        for complaint in (*outcome.wrong[:SHOWN], *outcome.lost[:SHOWN], *outcome.violations[:SHOWN]):
            console.print(f"{outcome.nemesis}: {complaint}", markup=False)
        if outcome.error:
            console.print(f"{outcome.nemesis}: {outcome.error}", markup=False)


def new_file(folder: Path) -> Path:
    """Where a run that begins now writes its report, beside those of earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"chaos-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"


def write(outcomes: Sequence[Outcome], file: Path) -> None:
    """Write the outcomes down, instead of those that were there."""
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    content = {
        "at": datetime.now(UTC).isoformat(),
        "machine": machine,
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    file.write_text(json.dumps(content, indent=1))


def _p50(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f}" if seconds else "-"


def _load(loads: Sequence[float]) -> str:
    return f"{min(loads):.0f}-{max(loads):.0f}" if loads else "-"


def _max(seconds: Sequence[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    return f"{max(known):.2f}" if known else "-"
