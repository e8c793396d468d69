"""A flash sale: twice as many buyers as tickets, all of them want the front rows, until nothing is left."""

import json
import random
import time
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Any

from benchmarks import cost
from benchmarks.bench import Bench, MeasuredMarket, Outcome
from benchmarks.load import buyers, http_load
from benchmarks.load.exchange import CONFLICT, CREATED, ERROR_BODY, request
from benchmarks.load.result import Result
from benchmarks.support.session_cookies import cookie_for
from cli.load.generator.connection import Connection

CONNECTIONS = 128
FRONT_ROWS = 100
MOST_SECONDS = 180.0


@dataclass(slots=True)
class Sale:
    """What buyers know of the sale: which tickets nobody was told to be taken, the best ones first."""

    left: dict[str, None]
    chance: random.Random
    all: tuple[str, ...]
    winners: dict[str, str] = field(default_factory=dict)
    sold_out_at: float = 0.0

    def wish(self) -> str:
        """A ticket of the front rows; any at all when nothing is left, to hear it said."""
        front = list(islice(self.left, FRONT_ROWS))
        return self.chance.choice(front or self.all)


def run(bench: Bench) -> Outcome:
    """In each round a new sale."""
    outcome = Outcome("flash sale", f"twice as many buyers as tickets, {CONNECTIONS} at a time, until all is reserved")
    outcome.notes.append(f"load from {http_load.NAME}: whoever is refused takes another ticket")
    tickets = bench.plan.much(10_000, 400)
    bench.expect(bench.plan.rounds)
    with bench.market() as market:
        for number in range(bench.plan.rounds):
            bench.step(f"{tickets:,} tickets, {tickets * 2:,} buyers")
            outcome.rows.append(_round(bench, market, outcome, (tickets, number)))
        market.judge(outcome)
    names = ("sold_out_seconds", "reserved_per_second", "answers_per_second", "refused", "p50_ms", "p99_ms")
    middle = {name: median(row[name] for row in outcome.rows) for name in names}
    outcome.summary = [{"tickets": tickets, "buyers": tickets * 2, **middle}]
    return outcome


def _round(bench: Bench, market: MeasuredMarket, outcome: Outcome, which: tuple[int, int]) -> dict[str, Any]:
    tickets, number = which
    ids = market.seed(tickets, bench)
    sale = Sale(dict.fromkeys(ids), random.Random(number), tuple(ids))
    people = [cookie_for(market.running.key) for _ in range(tickets * 2)]

    async def buys(connection: Connection, person: tuple[str, str], result: Result) -> None:
        await _buy(connection, sale, person, result)

    cost.wait_until_quiet(market)
    began = time.perf_counter()
    result = buyers.run(market.port, people, CONNECTIONS, buys, MOST_SECONDS)
    # What was not sold out is wrong, and said below.
    seconds = sale.sold_out_at - began if sale.sold_out_at else MOST_SECONDS
    outcome.heard("flash sale", result)
    outcome.wrong.extend(_unsold(market, sale))
    return {
        **result.figures(),
        "sold_out_seconds": seconds,
        "reserved_per_second": tickets / seconds if sale.sold_out_at else 0.0,
        "answers_per_second": (result.successes + result.refusals.total()) / result.seconds,
        "refused": result.refusals.total(),
    }


async def _buy(connection: Connection, sale: Sale, person: tuple[str, str], result: Result) -> None:
    """Ask until one ticket is reserved, or once more when none is left."""
    buyer, cookie = person
    while True:
        ticket_id = sale.wish()
        body = json.dumps({"ticketId": ticket_id}).encode()
        began = time.perf_counter()
        result.sent += 1
        status, answer, _ = await connection.ask(request("POST", "/api/orders", cookie=cookie, body=body).raw)
        took = time.perf_counter() - began
        sale.left.pop(ticket_id, None)
        if status == CREATED:
            order = json.loads(answer)
            held = (order["ticket"]["id"], order["userId"], order["status"], order["price"])
            if held != (ticket_id, buyer, "created", 25.0) or ticket_id in sale.winners:
                return result.complain(f"{ticket_id} is held as {held}, by {sale.winners.get(ticket_id)} before")
            sale.winners[ticket_id] = order["id"]
            result.successes += 1
            result.took.append(took)
            if len(sale.winners) == len(sale.all):
                sale.sold_out_at = time.perf_counter()
            return None
        if status != CONFLICT or not answer.decode().startswith(ERROR_BODY):
            return result.complain(f"{status} {answer[:200]!r}")
        result.refusals[status] += 1
        result.refused_took.append(took)
        if not sale.left:
            return None


def _unsold(market: MeasuredMarket, sale: Sale) -> list[str]:
    """What the sale left behind that is wrong: tickets without their one order."""
    with market.database() as database:
        written = {order["ticket_id"]: order["_id"] for order in database["orders"].find({}, {"ticket_id": 1})}
    return [
        f"ticket {ticket_id} went to {sale.winners.get(ticket_id)}, and its order is {written.get(ticket_id)}"
        for ticket_id in sale.all
        if sale.winners.get(ticket_id) is None or sale.winners[ticket_id] != written.get(ticket_id)
    ]
