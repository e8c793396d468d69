"""Full purchases over HTTP with the sandbox: reserve, pay, complete."""

import json
import time
from statistics import median
from typing import Any

from benchmarks import cost
from benchmarks.bench import Bench, MeasuredMarket, Outcome
from benchmarks.load import buyers
from benchmarks.load.exchange import CREATED, OK, request
from benchmarks.load.http_load import Connection
from benchmarks.load.result import Result
from tests.support.people import cookie_for

CONNECTIONS = (16, 64)
MOST_SECONDS = 60.0
_CARD = "pm_card_visa"


def run(bench: Bench) -> Outcome:
    """Each buyer takes a ticket of their own, pays at once, and looks whether the order is complete."""
    outcome = Outcome("purchases", "reserve, pay, complete; paid purchases a second, from reserving to the read order")
    outcome.notes.append(f"load from {buyers.NAME}: what is paid is known only when it is reserved")
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
        middle = {name: median(row[name] for row in rows) for name in ("per_second", "p50_ms", "p99_ms")}
        outcome.summary.append({"connections": connections, **middle, "wrong": sum(row["wrong"] for row in rows)})
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
    ticket_id, buyer, cookie = wanted
    began = time.perf_counter()
    result.sent += 1
    order = await _ask(connection, result, "/api/orders", cookie, {"ticketId": ticket_id})
    if order is None:
        return
    held = (order["status"], order["price"], order["userId"], order["ticket"]["id"])
    if held != ("created", 25.0, buyer, ticket_id):
        return result.complain(f"{ticket_id} is held as {held}")
    charge = await _ask(connection, result, "/api/payments", cookie, {"orderId": order["id"], "paymentMethod": _CARD})
    if charge is None:
        return
    if (charge["status"], charge["orderId"]) != ("completed", order["id"]):
        return result.complain(f"order {order['id']} is paid as {charge}")
    status, body = await connection.ask(request("GET", f"/api/orders/{order['id']}", cookie=cookie).raw)
    if status != OK or json.loads(body)["status"] != "complete":
        return result.complain(f"order {order['id']} was paid, and it reads {body[:200]!r}")
    result.successes += 1
    result.took.append(time.perf_counter() - began)


async def _ask(
    connection: Connection, result: Result, path: str, cookie: str, body: dict[str, str]
) -> dict[str, Any] | None:
    """What was made; None when it was not, which is wrong here."""
    status, answer = await connection.ask(request("POST", path, cookie=cookie, body=json.dumps(body).encode()).raw)
    if status != CREATED:
        result.complain(f"{path}: {status} {answer[:200]!r}")
        return None
    made: dict[str, Any] = json.loads(answer)
    return made
