"""`make profile`: flame graphs of the market's own processes while it reserves or sells.

py-spy samples them from outside, a hundred times a second: their code runs as it is, somewhat slower.
"""

import argparse
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import cost, load, report, steps
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome, Plan
from benchmarks.load import buyers
from benchmarks.load.result import Result
from benchmarks.scenarios import purchases
from benchmarks.support import databases

ROLES = {
    "reservations": ("Api replica", "TicketActor"),
    "purchases": ("Api replica", "TicketActor", "OrderActor", "PaymentActor", "Supervisor"),
}
SAMPLES_A_SECOND = 100
# At some 1,000 reservations and some 100 purchases a second there is always more to do while py-spy looks.
MOST_A_SECOND = {"reservations": 1_500, "purchases": 60}
# Attaching takes py-spy a moment; what is recorded then still has load on it.
MARGIN_SECONDS = 10


def main() -> int:
    """Record and say where it is. Returns 1 when an answer was wrong or py-spy recorded nothing."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    parser = argparse.ArgumentParser(prog="benchmarks.profile", description=__doc__)
    parser.add_argument("--scenario", choices=ROLES, default="reservations")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=15, help="how long to record (%(default)s)")
    parser.add_argument("--steps", action="store_true", help="a table of what each step takes, and no flame graphs")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="folder of the results")
    parser.add_argument("--database", help="fast, embedded, or a URL; fast by default where it is there")
    asked = parser.parse_args()
    try:
        asked.database = databases.chosen(asked.database)
    except ValueError as error:
        parser.error(str(error))
    console = Console(highlight=False)
    asked.out.mkdir(parents=True, exist_ok=True)
    outcome = Outcome("profile", asked.scenario)
    plan = Plan(1, (asked.connections,), quick=False, database=asked.database)
    with Progress(console=console, transient=True) as progress:
        bench = Bench(plan, console, progress, progress.add_task("starting", total=3))
        with bench.market() as market:
            bench.step("listing tickets")
            run = _prepared(market, asked)
            cost.wait_until_quiet(market)
            bench.step(f"recording {asked.scenario}")
            with _recording(market, outcome, asked) as files:
                result = run()
            outcome.heard(asked.scenario, result)
            bench.step("verifying")
            market.judge(outcome)
    for complaint in outcome.wrong[:10]:
        console.print(f"[red]wrong:[/red] {complaint}")
    console.print(f"{result.rate:,.0f} {asked.scenario} a second while py-spy looked on")
    for file in files:
        console.print(f"  {file}")
    if asked.steps:
        console.print(_table(files))
    return 1 if outcome.wrong else 0


def _table(files: Sequence[Path]) -> Table:
    """What each step takes of the time in which the event loop of each process is busy."""
    found = {file.stem.partition("-")[2]: steps.shares(file.read_text().splitlines()) for file in files}
    table = Table("step", *found, title="percent of the busy time of each event loop")
    for step in (*steps.STEPS, steps.OTHERS):
        if any(step in shares for shares in found.values()):
            table.add_row(step, *(f"{shares.get(step, 0):.1%}" for shares in found.values()))
    return table


def _prepared(market: MeasuredMarket, asked: argparse.Namespace) -> Callable[[], Result]:
    """The load, ready to run, for longer than is recorded."""
    seconds = asked.seconds + MARGIN_SECONDS
    count = MOST_A_SECOND[asked.scenario] * seconds
    if asked.scenario == "purchases":
        wanted = purchases.wishes(market, count, asked.connections)
        return lambda: buyers.run(market.port, wanted, asked.connections, purchases.buy, seconds)
    requests = market.reservations(market.list_tickets(count))
    return lambda: load.run(market.port, requests, asked.connections, RESERVED, seconds)


@contextmanager
def _recording(market: MeasuredMarket, outcome: Outcome, asked: argparse.Namespace) -> Iterator[list[Path]]:
    """Record each process of interest until the context ends, or its time is up; yields the files to be."""
    spies: list[tuple[Path, subprocess.Popen[str]]] = []
    numbers: Counter[str] = Counter()
    for process, role in cost.processes(market):
        if role in ROLES[asked.scenario]:
            numbers[role] += 1
            suffix = "raw" if asked.steps else "svg"
            file = asked.out / f"{asked.scenario}-{role.replace(' ', '-').lower()}-{numbers[role]}.{suffix}"
            spies.append((file, _spy(process.pid, file, asked)))
    yield [file for file, _ in spies]
    for file, spy in spies:
        _, said = spy.communicate(timeout=asked.seconds + MARGIN_SECONDS)
        if spy.returncode or not file.exists():
            outcome.wrong.append(f"py-spy: {said.strip()}")


def _spy(pid: int, file: Path, asked: argparse.Namespace) -> subprocess.Popen[str]:
    # Read while the process goes on, stacks of coroutines are often mixed up; counted by step they have to be right.
    command = [
        str(Path(sys.executable).parent / "py-spy"), "record",
        "--pid", str(pid),
        "--output", str(file),
        "--format", "raw" if asked.steps else "flamegraph",
        "--duration", str(asked.seconds),
        "--rate", str(SAMPLES_A_SECOND),
        *([] if asked.steps else ["--nonblocking"]),
        "--threads",
    ]  # fmt: skip
    file.unlink(missing_ok=True)
    return subprocess.Popen(  # noqa: S603 - a fixed command of ours
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    sys.exit(main())
