"""Tickets that are not in memory, reserved while some of them get actors of their own, beside shared actors alone."""

import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.load.result import percentile, ratio

TICKETS = 200
BUYERS = 50
SHARED, DEDICATED = "shared", "dedicated"
# How many may be there. Each is a process that takes most of a second to start, on the cores that answer as well.
MOST_ACTORS = 20
# Listed over HTTP before, so that neither market is measured while it answers for the first time.
LISTED_BEFORE = 64
MOST_SECONDS = 60.0
APPEAR_SECONDS = 90.0
LOOK_SECONDS = 1.0


def run(bench: Bench) -> Outcome:
    """In each round a new market for each placement. Each buyer reserves one ticket after the other."""
    title = f"POST /api/orders on {TICKETS} tickets that are not in memory, {BUYERS} buyers, by TICKET_PLACEMENT"
    outcome = Outcome("dedicated", title)
    bench.expect(bench.plan.rounds * 2)
    verified = []
    for placement in in_turn(bench.plan.rounds):
        bench.step(f"{placement} actors")
        with bench.market(ticket_placement=placement, dedicated_actors=MOST_ACTORS) as market:
            outcome.rows.append({"placement": placement, **_reserve(bench, market, outcome, placement)})
            verified.append(market.judge(outcome).verified)
    outcome.verified = all(verified)
    outcome.summary = _summary(outcome.rows)
    return outcome


def in_turn(rounds: int) -> Iterator[str]:
    """The placements, round by round.

    The other way around in every second round: the machine may get busier or quieter meanwhile.
    """
    for number in range(rounds):
        yield from (SHARED, DEDICATED) if number % 2 == 0 else (DEDICATED, SHARED)


def _reserve(bench: Bench, market: MeasuredMarket, outcome: Outcome, placement: str) -> dict[str, Any]:
    market.list_tickets(LISTED_BEFORE)
    asked = market.reservations(market.seed(TICKETS, bench), TICKETS // BUYERS)
    cost.wait_until_quiet(market)
    began = time.monotonic()
    result = load.run(market.port, asked, BUYERS, RESERVED, MOST_SECONDS)
    outcome.heard(placement, result)
    if result.successes != TICKETS:
        outcome.wrong.append(f"{placement}: {result.successes} of {TICKETS} tickets were reserved")
    appeared = own_actors(market)
    while placement == DEDICATED and appeared < MOST_ACTORS and time.monotonic() - began < APPEAR_SECONDS:
        time.sleep(LOOK_SECONDS)
        appeared = own_actors(market)
    if (appeared > 0) != (placement == DEDICATED):
        outcome.wrong.append(f"{placement}: {appeared} tickets have actors of their own")
    return {
        **result.figures(),
        "longest_ms": percentile(result.took, 1.0) * 1_000,
        "actors": appeared,
        "actors_after_seconds": time.monotonic() - began,
    }


def own_actors(market: MeasuredMarket) -> int:
    """How many tickets have actors of their own."""
    return sum(heartbeat["name"].startswith("ticket-") for heartbeat in market.running.status())


def _summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians for each placement, and the p99 of dedicated for that of shared, round by round."""
    names = ("p50_ms", "p99_ms", "longest_ms", "seconds", "actors", "actors_after_seconds")
    by = {placement: [row for row in rows if row["placement"] == placement] for placement in (SHARED, DEDICATED)}
    rounds = zip(by[SHARED], by[DEDICATED], strict=True)
    of_shared = {SHARED: 1.0, DEDICATED: median(ratio(own["p99_ms"], shared["p99_ms"]) for shared, own in rounds)}
    return [
        {"placement": placement, **{name: median(row[name] for row in found) for name in names}}
        | {"p99_of_shared": of_shared[placement], "wrong": sum(row["wrong"] for row in found)}
        for placement, found in by.items()
    ]
