"""Tickets in memory that are reserved and given back again and again: in a shared actor, and in one of their own."""

import json
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import cost
from benchmarks.bench import Bench, MeasuredMarket, Outcome
from benchmarks.comparison import middle
from benchmarks.load import buyers
from benchmarks.load.exchange import CREATED, NO_CONTENT, request
from benchmarks.load.result import Result
from benchmarks.scenarios.dedicated import DEDICATED, SHARED, in_turn, own_actors
from benchmarks.support.session_cookies import cookie_for
from cli.load.generator.connection import Connection

# On two cores a hundred are never there at once: before the last has started the first have ended again.
TICKETS, QUICK_TICKETS = 20, 4
# At a time, each on one ticket.
BUYERS = 20
TIMES, QUICK_TIMES = 100, 3
MOST_SECONDS = 120.0
# Two processes start at a time, each of which takes most of a core for a second.
START_SECONDS = 300.0
LOOK_SECONDS = 2.0


def run(bench: Bench) -> Outcome:
    """In each round a new market for each placement. Each ticket has one buyer, so that all answers are known."""
    tickets = bench.plan.much(TICKETS, QUICK_TICKETS)
    title = f"POST and DELETE /api/orders, by turns, on {tickets} tickets in memory, by TICKET_PLACEMENT"
    outcome = Outcome("warm tickets", title)
    bench.expect(bench.plan.rounds * 2)
    verified = []
    for placement in in_turn(bench.plan.rounds):
        bench.step(f"{placement} actors")
        with bench.market(ticket_placement=placement, dedicated_actors=tickets) as market:
            outcome.rows.append({"placement": placement, **_measure(bench, market, outcome, placement)})
            verified.append(market.judge(outcome).verified)
    outcome.verified = all(verified)
    for placement in (SHARED, DEDICATED):
        rows = [row for row in outcome.rows if row["placement"] == placement]
        outcome.summary.append({"placement": placement, **middle(rows)})
        outcome.costs.append({"placement": placement, **cost.medians([row["cost"] for row in rows])})
    return outcome


def _measure(bench: Bench, market: MeasuredMarket, outcome: Outcome, placement: str) -> dict[str, Any]:
    tickets, times = bench.plan.much(TICKETS, QUICK_TICKETS), bench.plan.much(TIMES, QUICK_TIMES)
    ids = market.list_tickets(tickets)
    wanted = [_Wanted(ticket_id, cookie_for(market.running.key)[1], times) for ticket_id in ids]
    expected = tickets if placement == DEDICATED else 0
    # A ticket gets an actor of its own while it is held, so all of them are until all have one.
    outcome.heard(placement, buyers.run(market.port, wanted, BUYERS, _hold, MOST_SECONDS))
    began = time.monotonic()
    while (actors := own_actors(market)) < expected and time.monotonic() - began < START_SECONDS:
        time.sleep(LOOK_SECONDS)
    if actors != expected:
        outcome.wrong.append(f"{placement}: {actors} tickets have actors of their own")
    outcome.heard(placement, buyers.run(market.port, wanted, BUYERS, _give_back, MOST_SECONDS))
    before = cost.read(market)
    result = buyers.run(market.port, wanted, BUYERS, _hold_and_give_back, MOST_SECONDS)
    spent = cost.cost(before, cost.read(market), result.successes, result.cpu_seconds)
    outcome.heard(placement, result)
    if result.successes != tickets * times:
        outcome.wrong.append(f"{placement}: {result.successes} of {tickets * times} reservations")
    return {**result.figures(), "actors": actors, "cost": spent}


@dataclass(slots=True)
class _Wanted:
    """A ticket, the session of its only buyer, how often it is reserved, and the last order."""

    ticket_id: str
    cookie: str
    times: int
    order_id: str = ""


async def _hold(connection: Connection, wanted: _Wanted, result: Result) -> None:
    result.sent += 1
    body = json.dumps({"ticketId": wanted.ticket_id}).encode()
    status, answer, _ = await connection.ask(request("POST", "/api/orders", cookie=wanted.cookie, body=body).raw)
    order = json.loads(answer)
    if status == CREATED and (order["status"], order["ticket"]["id"]) == ("created", wanted.ticket_id):
        wanted.order_id = order["id"]
    else:
        result.complain(f"{wanted.ticket_id} was not held: {status} {order}")


async def _give_back(connection: Connection, wanted: _Wanted, result: Result) -> None:
    path = f"/api/orders/{wanted.order_id}"
    status, answer, _ = await connection.ask(request("DELETE", path, cookie=wanted.cookie).raw)
    if status != NO_CONTENT:
        result.complain(f"{wanted.ticket_id} was not given back: {status} {answer[:200]!r}")


async def _hold_and_give_back(connection: Connection, wanted: _Wanted, result: Result) -> None:
    """Do both as often as wanted, until anything is wrong. What is timed is the reservation."""
    for _ in range(wanted.times):
        wrong, began = result.wrong_count, time.perf_counter()
        await _hold(connection, wanted, result)
        took = time.perf_counter() - began
        await _give_back(connection, wanted, result)
        if result.wrong_count > wrong:
            return
        result.successes += 1
        result.took.append(took)
