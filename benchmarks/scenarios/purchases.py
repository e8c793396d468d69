"""Full purchases over HTTP with the sandbox: reserve, pay, complete."""

import json
import time
from typing import Any

from benchmarks import cost
from benchmarks.bench import Bench, MeasuredMarket, Outcome
from benchmarks.comparison import middle
from benchmarks.load import buyers, http_load
from benchmarks.load.exchange import CREATED, OK, request
from benchmarks.load.result import Result
from benchmarks.support.session_cookies import cookie_for
from cli.load.generator.connection import Connection

CONNECTIONS = (16, 64)
MOST_SECONDS = 60.0
_CARD = "pm_card_visa"


def run(bench: Bench) -> Outcome:
    """Each buyer takes a ticket of their own, pays at once, and looks whether the order is complete."""
    outcome = Outcome("purchases", "reserve, pay, complete; paid purchases a second, from reserving to the read order")
    outcome.notes.append(f"load from {http_load.NAME}: what is paid is known only when it is reserved")
    purchases = bench.plan.much(2_000, 60)
    bench.expect(bench.plan.rounds * len(CONNECTIONS))
    with bench.market() as market:
        for connections in CONNECTIONS:
            for _ in range(bench.plan.rounds):
                bench.step(f"purchases, {connections} at a time")
                outcome.rows.append(measure(market, outcome, purchases, connections))
        market.judge(outcome)
    for connections in CONNECTIONS:
        rows = [row for row in outcome.rows if row["connections"] == connections]
        outcome.summary.append({"connections": connections, **middle(rows)})
        outcome.costs.append({"connections": connections, **cost.medians([row["cost"] for row in rows])})
    return outcome


def measure(market: MeasuredMarket, outcome: Outcome, purchases: int, connections: int) -> dict[str, Any]:
    """One round. The time of reading the order, which shows that it is complete, is part of each purchase."""
    wanted = wishes(market, purchases, connections)
    cost.wait_until_quiet(market)
    before = cost.read(market)
    result = buyers.run(market.port, wanted, connections, buy, MOST_SECONDS)
    spent = cost.cost(before, cost.read(market), result.successes, result.cpu_seconds)
    outcome.heard("purchase", result)
    return {"connections": connections, **result.figures(), "cost": spent}


def wishes(market: MeasuredMarket, purchases: int, people: int) -> list[tuple[str, str, str]]:
    """New tickets, each with the buyer who wants it and their cookie, so many people in turn."""
    signed_in = [cookie_for(market.running.key) for _ in range(people)]
    return [(ticket_id, *signed_in[number % people]) for number, ticket_id in enumerate(market.list_tickets(purchases))]


async def buy(connection: Connection, wanted: tuple[str, str, str], result: Result) -> None:
    """One purchase; only one that is paid and seen to be complete is a success."""
    began = time.perf_counter()
    result.sent += 1
    complaint = await _complaint(connection, wanted)
    if complaint is not None:
        result.complain(complaint)
    else:
        result.successes += 1
        result.took.append(time.perf_counter() - began)


async def _complaint(connection: Connection, wanted: tuple[str, str, str]) -> str | None:
    """Buy; what went wrong, None if nothing."""
    ticket_id, buyer, cookie = wanted
    status, order = await _ask(connection, "/api/orders", cookie, {"ticketId": ticket_id})
    if status != CREATED:
        return f"{ticket_id} was not held: {status} {order}"
    held = (order["status"], order["price"], order["userId"], order["ticket"]["id"])
    if held != ("created", 25.0, buyer, ticket_id):
        return f"{ticket_id} is held as {held}"
    payment = {"orderId": order["id"], "paymentMethod": _CARD}
    status, charge = await _ask(connection, "/api/payments", cookie, payment)
    if status != CREATED or (charge["status"], charge["orderId"]) != ("completed", order["id"]):
        return f"order {order['id']} was paid: {status} {charge}"
    status, body, _ = await connection.ask(request("GET", f"/api/orders/{order['id']}", cookie=cookie).raw)
    if status != OK or json.loads(body)["status"] != "complete":
        return f"order {order['id']} was paid, and it reads {body[:200]!r}"
    return None


async def _ask(connection: Connection, path: str, cookie: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
    status, answer, _ = await connection.ask(request("POST", path, cookie=cookie, body=json.dumps(body).encode()).raw)
    return status, json.loads(answer)
