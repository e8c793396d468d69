"""One ticket that everybody wants: who gets it, and how fast the others are told."""

import json
from statistics import median
from typing import Any

from benchmarks import load
from benchmarks.bench import PRICE_PARTS, RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.load.exchange import CONFLICT, CREATED, Expected, request
from benchmarks.load.result import percentile, ratio
from benchmarks.support.session_cookies import cookie_for

CONNECTIONS = 64
MOST_SECONDS = 20.0
# An answer names its buyer, who asks once.
HELD = Expected(
    CREATED,
    frozenset({CONFLICT}),
    begins='{"id":"',
    names='"userId":"',
    parts=('"status":"created"', *PRICE_PARTS),
    fresh=True,
)


def run(bench: Bench) -> Outcome:
    """In each round a new ticket, and as many buyers as requests."""
    outcome = Outcome("hot ticket", f"POST /api/orders on one ticket, {CONNECTIONS} connections, beside distinct ones")
    bench.expect(bench.plan.rounds * 2)
    buyers = bench.plan.much(8_000, 500)
    with bench.market() as market:
        for _ in range(bench.plan.rounds):
            bench.step("one ticket, many buyers")
            row = _round(market, outcome, buyers)
            bench.step("distinct tickets")
            distinct = _distinct(market, outcome, buyers // 4)
            row |= {"reservations_per_second": distinct, "ratio": ratio(row["refusals_per_second"], distinct)}
            outcome.rows.append(row)
        market.judge(outcome)
    names = ("winners", "refusals_per_second", "refusal_p50_ms", "refusal_p99_ms", "reservations_per_second", "ratio")
    outcome.summary = [{"buyers": buyers, **{name: median(row[name] for row in outcome.rows) for name in names}}]
    return outcome


def _round(market: MeasuredMarket, outcome: Outcome, buyers: int) -> dict[str, Any]:
    (ticket_id,) = market.list_tickets(1)
    body = json.dumps({"ticketId": ticket_id}).encode()
    people = (cookie_for(market.running.key) for _ in range(buyers))
    parts = (f'"ticket":{{"id":"{ticket_id}"',)
    asked = [
        request("POST", "/api/orders", cookie=cookie, body=body, key=buyer, parts=parts) for buyer, cookie in people
    ]
    result = load.run(market.port, asked, CONNECTIONS, HELD, MOST_SECONDS)
    outcome.heard("hot ticket", result)
    if result.successes != 1:
        outcome.wrong.append(f"{result.successes} buyers hold ticket {ticket_id}")
    with market.database() as database:
        written = database["orders"].count_documents({"ticket_id": ticket_id})
    if written != 1:
        outcome.wrong.append(f"ticket {ticket_id} has {written} orders")
    return {
        **result.figures(),
        "winners": result.successes,
        "refusal_p50_ms": percentile(result.refused_took, 0.5) * 1_000,
        "refusal_p99_ms": percentile(result.refused_took, 0.99) * 1_000,
    }


def _distinct(market: MeasuredMarket, outcome: Outcome, tickets: int) -> float:
    """Reservations a second where everybody wants another ticket."""
    asked = market.reservations(market.list_tickets(tickets))
    result = load.run(market.port, asked, CONNECTIONS, RESERVED, MOST_SECONDS)
    outcome.heard("distinct tickets", result)
    return result.rate
