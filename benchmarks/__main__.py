"""`make bench`: what one machine carries, every answer checked, beside two plain shops that do the same.

Everything runs on this one machine: load generator, HAProxy, Ray, databases. So the figures to compare are ratios
within one run. Bounded in time and in count; stops by itself.
"""

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import load, plot, report
from benchmarks.bench import Bench, Plan, Scenario
from benchmarks.scenarios import (
    catalogue,
    dedicated,
    flash_sale,
    hot_ticket,
    journal,
    live_holds,
    live_pages,
    purchases,
    reservations,
    scaling,
    signins,
    size,
    warm_tickets,
)
from benchmarks.support import databases

SCENARIOS: dict[str, Scenario] = {
    "reservations": reservations.run,
    "purchases": purchases.run,
    "hot_ticket": hot_ticket.run,
    "dedicated": dedicated.run,
    "warm_tickets": warm_tickets.run,
    "catalogue": catalogue.run,
    "flash_sale": flash_sale.run,
    "live_holds": live_holds.run,
    "live_pages": live_pages.run,
    "scaling": scaling.run,
    "signins": signins.run,
    "size": size.run,
    "journal": journal.run,
}
CONNECTIONS = (8, 32, 64, 128, 256)


def main() -> int:
    """Measure what was asked for and print it. Returns 1 when any answer was wrong or `holdfast verify` complains."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    asked = _arguments()
    plan = Plan(asked.rounds, tuple(asked.connections), asked.quick, asked.database)
    with databases.running_beside(plan.database) as server:
        database = databases.described(server.url)
    console = Console(highlight=False)
    outcomes = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    for name in asked.names or SCENARIOS:
        with Progress(*columns, console=console, transient=True) as progress:
            bench = Bench(plan, console, progress, progress.add_task(f"{name}: starting", total=None))
            outcomes.append(SCENARIOS[name](bench))
        report.show(console, database, outcomes[-1:])
        # Written after each scenario, so that a run that is cut short leaves what it found.
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "results.json").write_text(report.as_json(plan, database, outcomes))
    for outcome in outcomes:
        if outcome.name == "reservations":
            plot.draw(outcome.summary, load.generator(), asked.out / "reservations.png")
        if outcome.name == "journal":
            plot.draw_journal(outcome.summary, database, asked.out / "journal.png")
    console.print(f"results and plots are in {asked.out}")
    return 1 if any(outcome.wrong or not outcome.verified for outcome in outcomes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(SCENARIOS)}; all by default")
    parser.add_argument("--rounds", type=_some, default=3, help="how often each is measured (%(default)s)")
    parser.add_argument("--connections", type=_some, nargs="+", default=CONNECTIONS, help="for reservations")
    parser.add_argument("--database", help="fast, embedded, or a URL; fast by default where it is there")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="to try it out: too little to mean anything")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(SCENARIOS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(SCENARIOS)}")
    try:
        asked.database = databases.chosen(asked.database)
    except ValueError as error:
        parser.error(str(error))
    return asked


def _some(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())
