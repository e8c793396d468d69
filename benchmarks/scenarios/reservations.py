"""Reservations on distinct tickets, beside the peers and an empty endpoint of our own, round by round."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bson import ObjectId

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome, reservations
from benchmarks.comparison import OURS, summary
from benchmarks.load.exchange import OK, Expected, request
from benchmarks.load.result import Result
from benchmarks.peers import cluster
from benchmarks.peers.running import Peer, running_peers

EMPTY = "empty endpoint"
MOST_SECONDS = 12.0
WORKERS = (1, 2)
TRIAL_CONNECTIONS = 64
ALL_WORKERS_SECONDS = 3.0
ALIVE = Expected(OK, begins='{"')


def run(bench: Bench) -> Outcome:
    """Ours, each peer, the empty endpoint, and again, at each number of connections."""
    outcome = Outcome("reservations", "POST /api/orders on distinct tickets")
    tickets = bench.plan.much(4_000, 300)
    with bench.market() as market, running_peers(market.running.key, bench.plan.database) as peers:
        if cluster.programs() is None:
            outcome.notes.append("PostgreSQL is not installed: that peer is left out")
        subjects = [OURS, *(peer.name for peer in peers), EMPTY]
        bench.expect(1 + len(bench.plan.connections) * bench.plan.rounds * len(subjects))
        bench.step("warming up")
        _warm_up(market, outcome, tickets // 4)
        cost.wait_until_quiet(market)
        outcome.notes.extend(_settle(peer, outcome, tickets // 2) for peer in peers)
        for connections in bench.plan.connections:
            for number in range(1, bench.plan.rounds + 1):
                rows = _round(bench, market, peers, outcome, (tickets, connections))
                outcome.rows.extend({"connections": connections, "round": number, **row} for row in rows)
        market.judge(outcome)
    outcome.summary = summary(outcome.rows)
    for connections in bench.plan.connections:
        found = [row["cost"] for row in outcome.rows if row["connections"] == connections and row["who"] == OURS]
        outcome.costs.append({"connections": connections, **cost.medians(found)})
    return outcome


def _round(
    bench: Bench, market: MeasuredMarket, peers: Sequence[Peer], outcome: Outcome, size: tuple[int, int]
) -> list[dict[str, Any]]:
    tickets, connections = size
    bench.step(f"reservations, {connections} connections")
    rows = [_ours(market, outcome, tickets, connections)]
    for peer in peers:
        bench.step(f"{peer.name}, {connections} connections")
        rows.append(_beside(market, outcome, peer.name, partial(_theirs, peer, outcome, tickets, connections)))
    bench.step(f"empty endpoint, {connections} connections")
    asked = [request("GET", "/healthz")] * tickets * 2
    rows.append(_beside(market, outcome, EMPTY, lambda: load.run(market.port, asked, connections, ALIVE, MOST_SECONDS)))
    return rows


def _ours(market: MeasuredMarket, outcome: Outcome, tickets: int, connections: int) -> dict[str, Any]:
    asked = market.reservations(market.list_tickets(tickets))
    before = cost.read(market)
    result = load.run(market.port, asked, connections, RESERVED, MOST_SECONDS)
    after = cost.read_cpu(market)
    spent = cost.cpu_between(before, after)
    counted = cost.read(market)
    counted = cost.Reading(after.seconds, counted.counters, counted.commands)
    outcome.heard(OURS, result)
    return {
        "who": OURS,
        **result.figures(),
        "market_cpu_seconds": sum(spent.values()),
        "cost": cost.cost(before, counted, result.successes, result.cpu_seconds),
    }


def _beside(market: MeasuredMarket, outcome: Outcome, who: str, measure: Callable[[], Result]) -> dict[str, Any]:
    """What somebody else made of it, and what our market, idle or not, took from them meanwhile."""
    cost.wait_until_quiet(market)
    before = cost.read_cpu(market)
    result = measure()
    spent = cost.cpu_between(before, cost.read_cpu(market))
    outcome.heard(who, result)
    return {"who": who, **result.figures(), "market_cpu_seconds": sum(spent.values())}


def _theirs(peer: Peer, outcome: Outcome, tickets: int, connections: int) -> Result:
    ids = [str(ObjectId()) for _ in range(int(tickets * peer.share))]
    peer.list_tickets(ids)
    asked = list(reservations(peer.key, ids))
    result = load.run(peer.port, asked, connections, RESERVED, MOST_SECONDS)
    outcome.wrong.extend(peer.complaints(ids, result.successes, result.unanswered))
    return result


def _settle(peer: Peer, outcome: Outcome, tickets: int) -> str:
    """Leave the peer running with the number of workers that serves it best, and say which."""
    rates = {}
    for workers in WORKERS:
        _start(peer, outcome, tickets, workers)
        rates[workers] = _theirs(peer, outcome, tickets, TRIAL_CONNECTIONS).rate
    best = max(WORKERS, key=lambda workers: rates[workers])
    if best != peer.workers:
        _start(peer, outcome, tickets, best)
    tried = ", ".join(f"{rate:,.0f}/s with {workers}" for workers, rate in rates.items())
    return f"{peer.name} runs {best} uvicorn worker{'s' if best > 1 else ''} ({tried})"


def _start(peer: Peer, outcome: Outcome, tickets: int, workers: int) -> None:
    """Start it and have it warm: one worker answers while the other is still importing."""
    peer.start(workers)
    time.sleep(ALL_WORKERS_SECONDS)
    _theirs(peer, outcome, tickets, TRIAL_CONNECTIONS)


def _warm_up(market: MeasuredMarket, outcome: Outcome, tickets: int) -> None:
    asked = market.reservations(market.list_tickets(tickets))
    outcome.heard("warming up", load.run(market.port, asked, TRIAL_CONNECTIONS, RESERVED, MOST_SECONDS))
