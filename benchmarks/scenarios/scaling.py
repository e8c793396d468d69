"""Reservations while ticket actors come and go: from one to eight, and from eight to two."""

import subprocess
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.comparison import middle
from benchmarks.load.result import Result
from benchmarks.support.running_market import HOLDFAST

CONNECTIONS = 64
# From one again in each round.
NUMBERS = (8, 2, 1)
# Load is made in parts of so many reservations, as nobody knows before how long a change takes.
PART, QUICK_PART = 2_000, 100
STEADY_PARTS = 3
# From one to eight takes some 50 s under this load, and each change back some 30 s.
TICKETS_A_ROUND, QUICK_TICKETS = 90_000, 60_000
MOST_SECONDS = 30.0


def run(bench: Bench) -> Outcome:
    """In each round reservations of new tickets before, during and after each change of the number."""
    title = (
        f"POST /api/orders, {CONNECTIONS} connections, while `holdfast scale` changes how many ticket actors there are"
    )
    outcome = Outcome("scaling", title)
    bench.expect(bench.plan.rounds * (2 + 2 * len(NUMBERS)))
    with bench.market() as market:
        for _ in range(bench.plan.rounds):
            bench.step("listing tickets")
            ids = iter(market.seed(bench.plan.much(TICKETS_A_ROUND, QUICK_TICKETS), bench))
            cost.wait_until_quiet(market)
            bench.step("reservations, 1 ticket actor")
            note(outcome, "1", steady(bench, market, ids))
            before = 1
            for number in NUMBERS:
                when = f"{before} to {number}"
                bench.step(f"reservations, {when} ticket actors")
                note(outcome, when, list(while_scaling(bench, market, ids, number)))
                bench.step(f"reservations, {number} ticket actors")
                note(outcome, str(number), steady(bench, market, ids))
                before = number
        market.judge(outcome)
    outcome.summary = [
        {"ticket_actors": when, **middle(found), "longest_ms": max(row["longest_ms"] for row in found)}
        for when in dict.fromkeys(row["ticket_actors"] for row in outcome.rows)
        for found in [[row for row in outcome.rows if row["ticket_actors"] == when]]
    ]
    return outcome


def steady(bench: Bench, market: MeasuredMarket, ids: Iterator[str]) -> list[Result]:
    """Reserve while nothing changes."""
    return [reserve(bench, market, ids) for _ in range(STEADY_PARTS)]


def while_scaling(bench: Bench, market: MeasuredMarket, ids: Iterator[str], number: int) -> Iterator[Result]:
    """Reserve until the command has ended, and once more: who leaves is still there for some seconds.

    Raises SystemExit when the command failed.
    """
    command = subprocess.Popen(  # noqa: S603 - our own command
        [HOLDFAST, "scale", "--ticket-actors", str(number)],
        env=market.running.environment,
        cwd=market.running.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        while command.poll() is None:
            yield reserve(bench, market, ids)
        yield reserve(bench, market, ids)
    finally:
        _, said = command.communicate(timeout=MOST_SECONDS)
    if command.returncode != 0:
        raise SystemExit(f"holdfast scale: {said.decode()}")


def reserve(bench: Bench, market: MeasuredMarket, ids: Iterator[str]) -> Result:
    """Reserve the next tickets. Raises SystemExit when there are no more."""
    wanted = list(islice(ids, bench.plan.much(PART, QUICK_PART)))
    if not wanted:
        raise SystemExit("there are too few tickets for as long as scaling took")
    return load.run(market.port, market.reservations(wanted), CONNECTIONS, RESERVED, MOST_SECONDS)


def note(outcome: Outcome, when: str, results: Sequence[Result]) -> None:
    """One row for all these results, whose tickets were different ones."""
    for result in results:
        outcome.heard(f"{when} ticket actors", result)
    together = Result(
        results[0].generator,
        seconds=sum(result.seconds for result in results),
        sent=sum(result.sent for result in results),
        took=[took for result in results for took in result.took],
        successes=sum(result.successes for result in results),
        wrong_count=sum(result.wrong_count for result in results),
    )
    row: dict[str, Any] = {"ticket_actors": when, **together.figures(), "longest_ms": together.milliseconds(1.0)}
    outcome.rows.append(row)
