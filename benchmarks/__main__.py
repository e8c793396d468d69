"""`make bench`: reservations on distinct tickets over HTTP, every answer checked, beside an empty endpoint.

Everything runs on this one machine: load generator, HAProxy, Ray, database. So the figures to compare are ratios within
one run. Bounded in time and in count; stops by itself.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.http_load import Request, Result, request, run
from tests.support.people import cookie_for
from tests.support.running_market import RunningMarket, running_market

CREATED = 201
OK = 200
LISTING_CONNECTIONS = 64
MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement: reservations, what they cost inside, and the empty endpoint beside them."""

    reservations: Result
    empty: Result
    commits: float
    ray_calls: float

    @property
    def ratio(self) -> float:
        """Reservations for each answer of the empty endpoint."""
        return self.reservations.rate / self.empty.rate if self.empty.rate else 0.0


def main() -> int:
    """Measures and prints. Returns 1 when any answer was wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tickets", type=int, default=4_000, help="reservations in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prog := "holdfast-bench-") as folder:
        console.print(f"starting a market of its own ({prog}…)")
        with running_market(Path(folder), max_holds_per_buyer=10_000) as market, Progress(console=console) as progress:
            task = progress.add_task("measuring", total=asked.rounds)
            rounds = []
            for _ in range(asked.rounds):
                rounds.append(_measure(market, asked.tickets, asked.connections))
                progress.advance(task)
    _print(console, rounds, asked.connections)
    if asked.json:
        asked.json.write_text(json.dumps([_figures(each) for each in rounds], indent=2))
    wrong = [complaint for each in rounds for complaint in (*each.reservations.wrong, *each.empty.wrong)]
    for complaint in wrong[:10]:
        console.print(f"[red]wrong answer:[/red] {complaint}")
    return 1 if wrong else 0


def _measure(market: RunningMarket, tickets: int, connections: int) -> Round:
    ids = _list_tickets(market, tickets)
    before = _ticket_counters(market)
    reservations = run(
        market.port, list(_reservations(market, ids, connections)), connections, _is_reserved, MOST_SECONDS
    )
    after = _ticket_counters(market)
    empty = run(market.port, [request("GET", "/healthz")] * tickets, connections, _is_ok, MOST_SECONDS)
    done = max(len(reservations.latencies), 1)
    return Round(
        reservations,
        empty,
        commits=(after["commits"] - before["commits"]) / done,
        ray_calls=(after["deliveries"] - before["deliveries"]) / done,
    )


def _list_tickets(market: RunningMarket, count: int) -> list[str]:
    _, cookie = cookie_for(market.key)
    body = b'{"title":"Benchmark","price":25}'
    ids: list[str] = []

    def keep(status: int, answer: bytes, _: Request) -> str | None:
        if status != CREATED:
            return f"listing a ticket: {status}"
        ids.append(json.loads(answer)["id"])
        return None

    asked = [request("POST", "/api/tickets", cookie=cookie, body=body)] * count
    result = run(market.port, asked, LISTING_CONNECTIONS, keep, MOST_SECONDS)
    if result.wrong:
        raise SystemExit(f"the tickets could not be listed: {result.wrong[0]}")
    return ids


def _reservations(market: RunningMarket, ids: list[str], buyers: int) -> Iterator[Request]:
    """As many buyers as connections, each of whom buys one ticket after the other."""
    signed_in = cycle([cookie_for(market.key) for _ in range(buyers)])
    for ticket_id, (buyer, cookie) in zip(ids, signed_in, strict=False):
        body = json.dumps({"ticketId": ticket_id}).encode()
        yield request("POST", "/api/orders", cookie=cookie, body=body, expected=f"{ticket_id} {buyer}")


def _is_reserved(status: int, body: bytes, asked: Request) -> str | None:
    if status != CREATED:
        return f"{status} {body[:200]!r}"
    order: dict[str, Any] = json.loads(body)
    got = f"{order['ticket']['id']} {order['userId']} {order['status']} {order['price']}"
    return None if got == f"{asked.expected} created 25.0" else got


def _is_ok(status: int, _body: bytes, _asked: Request) -> str | None:
    return None if status == OK else str(status)


def _ticket_counters(market: RunningMarket) -> dict[str, int]:
    """What the ticket hosts counted so far, asked in a process of its own that is gone while we measure."""
    hosts = [pulse for pulse in market.status() if pulse["name"].startswith("tickets-")]
    return {name: sum(host["counters"][name] for host in hosts) for name in ("commits", "deliveries")}


def _figures(each: Round) -> dict[str, float]:
    return {
        "reservations_per_second": each.reservations.rate,
        "p50_ms": each.reservations.percentile(0.5),
        "p99_ms": each.reservations.percentile(0.99),
        "commits_per_reservation": each.commits,
        "ray_calls_per_reservation": each.ray_calls,
        "empty_endpoint_per_second": each.empty.rate,
        "ratio_to_empty": each.ratio,
        "answers_checked": len(each.reservations.latencies) + len(each.empty.latencies),
        "wrong_answers": len(each.reservations.wrong) + len(each.empty.wrong),
    }


def _print(console: Console, rounds: list[Round], connections: int) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    table = Table(title=f"POST /api/orders on distinct tickets, {connections} connections ({machine})")
    for heading in ("orders/s", "p50 ms", "p99 ms", "commits each", "Ray calls each", "empty/s", "ratio", "wrong"):
        table.add_column(heading, justify="right")
    for each in rounds:
        figures = _figures(each)
        table.add_row(
            f"{figures['reservations_per_second']:,.0f}",
            f"{figures['p50_ms']:.0f}",
            f"{figures['p99_ms']:.0f}",
            f"{figures['commits_per_reservation']:.3f}",
            f"{figures['ray_calls_per_reservation']:.3f}",
            f"{figures['empty_endpoint_per_second']:,.0f}",
            f"{figures['ratio_to_empty']:.2f}",
            f"{figures['wrong_answers']:.0f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
