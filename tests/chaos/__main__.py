"""``python -m tests.chaos``: everything that can go wrong with a running market, under load, and how long it takes.

NEMESES chooses by parts of their names, such as ``NEMESES="TicketActor,database away"``; DURATION is for how many
seconds calls between actors get lost.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.support.running_market import RunningMarket, running_market
from tests.chaos import campaign, contention, lost_calls, report, second_raylet
from tests.chaos.nemeses import NEMESES, Nemesis
from tests.chaos.outcome import Hit, Outcome
from tests.chaos.probe import PAY_ONE_IN, probing
from tests.chaos.records import Verb

REPORTS = Path(__file__).parents[2] / "reports"
# Where payments are watched there have to be some.
PAY_ONE_IN_WHEN_WATCHED = 10
SECONDS = 60.0

Step = Callable[[], Coroutine[Any, Any, Outcome]]


def wanted(name: str) -> bool:
    """Whether NEMESES asks for it: by a part of its name, several of them between commas."""
    words = [word.strip().lower() for word in os.environ.get("NEMESES", "").split(",") if word.strip()]
    return not words or any(word in name.lower() for word in words)


async def strike(market: RunningMarket, nemesis: Nemesis, on_hit: Callable[[Hit], None]) -> Outcome:
    pay_one_in = PAY_ONE_IN_WHEN_WATCHED if nemesis.watched is Verb.PAY else PAY_ONE_IN
    async with probing(market, pay_one_in) as probe:
        return await campaign.run(market, probe, nemesis, on_hit=on_hit)


async def lose_the_second_raylet() -> Outcome:
    """In a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.second_raylet", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    found = json.loads(said.splitlines()[-1])
    outcome = Outcome(**{**found["outcome"], "hits": [Hit(**hit) for hit in found["outcome"]["hits"]]})
    outcome.violations += [name for name, is_so in found["found"].items() if not is_so]
    return outcome


async def everything(console: Console, progress: Progress, file: Path) -> list[Outcome]:
    """Every nemesis that is wanted; what came of them so far is in the file after each."""
    outcomes: list[Outcome] = []
    chosen = [nemesis for nemesis in NEMESES.values() if wanted(nemesis.name)]
    others = [name for name in (contention.NAME, lost_calls.NAME, second_raylet.NAME) if wanted(name)]
    task = progress.add_task("starting", total=sum(nemesis.times for nemesis in chosen) + len(others))

    async def note(name: str, step: Coroutine[Any, Any, Outcome]) -> None:
        progress.update(task, description=name)
        try:
            outcome = await step
        except Exception as error:  # noqa: BLE001 - one that fails is a finding, the others are still of interest
            outcome = Outcome(name, error=f"{type(error).__name__}: {error}")
        outcomes.append(outcome)
        state = "as promised" if outcome.is_as_promised else "[red]not as promised[/red]"
        console.print(f"{name}: {state} {[round(hit.served_after, 2) for hit in outcome.hits]} {outcome.error or ''}")
        report.write(outcomes, file)

    def on_hit(_hit: Hit) -> None:
        progress.advance(task)

    with tempfile.TemporaryDirectory(prefix="hf-chaos-") as folder:
        if chosen or contention.NAME in others:
            (Path(folder) / "market").mkdir()
            with running_market(Path(folder) / "market", max_holds_per_buyer=10_000) as market:
                for nemesis in chosen:
                    await note(nemesis.name, strike(market, nemesis, on_hit))
                if contention.NAME in others:
                    await note(contention.NAME, contention.under_contention(market))
                    progress.advance(task)
            if not all(outcome.is_as_promised for outcome in outcomes):
                console.print(f"what the market logged is in {keep_logs(market, file)}")
        if lost_calls.NAME in others:
            (Path(folder) / "lossy").mkdir()
            seconds = float(os.environ.get("DURATION") or SECONDS)
            await note(lost_calls.NAME, lost_calls.under_lost_calls(Path(folder) / "lossy", seconds))
            progress.advance(task)
        if second_raylet.NAME in others:
            await note(second_raylet.NAME, lose_the_second_raylet())
            progress.advance(task)
    return outcomes


def keep_logs(market: RunningMarket, file: Path) -> Path:
    """Copy what a market logged to beside the report, and return where it is: it tells why a promise was broken."""
    kept = file.with_suffix(".logs")
    shutil.copytree(market.folder / "logs", kept, ignore_dangling_symlinks=True)
    shutil.copy(market.folder / "up.log", kept)
    return kept


def main() -> int:
    """Print a table and write a report. 1 when a promise was broken."""
    # SIGTERM is to leave nothing behind either, and a shell starts what is in the background deaf for SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 200)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        outcomes = asyncio.run(everything(console, progress, file := report.new_file(REPORTS)))
    report.show(outcomes, console)
    console.print(f"written to {file}")
    return int(not all(outcome.is_as_promised for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
