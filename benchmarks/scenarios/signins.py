"""Reserving while people sign in: hashing passwords must not starve buying."""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from statistics import median
from typing import Any

import aiohttp

from benchmarks import cost, load
from benchmarks.bench import RESERVED, Bench, MeasuredMarket, Outcome
from benchmarks.load.exchange import Request
from benchmarks.load.result import ratio

CONNECTIONS = 64
SIGNINS_PER_SECOND = 50
MOST_SECONDS = 20.0
# Right and wrong passwords, and what comes in above what can be verified.
_EXPECTED = {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}


def run(bench: Bench) -> Outcome:
    """In each round reservations alone, and then while so many sign-ins come in, answered or not."""
    title = f"POST /api/orders at {CONNECTIONS} connections, alone and beside {SIGNINS_PER_SECOND} sign-ins a second"
    outcome = Outcome("signins", title)
    tickets = bench.plan.much(6_000, 300)
    bench.expect(1 + bench.plan.rounds * 2)
    with bench.market() as market:
        bench.step("warming up")
        _reserve(market, outcome, tickets // 4)
        for _ in range(bench.plan.rounds):
            bench.step("reservations alone")
            alone = _reserve(market, outcome, tickets)
            bench.step("beside sign-ins")
            beside, answered = _reserve_beside(market, outcome, tickets)
            kept = ratio(beside, alone)
            outcome.rows.append({"alone": alone, "beside": beside, "ratio": kept, **_told(answered)})
        market.judge(outcome)
    names = ("alone", "beside", "ratio", "signed_in", "wrong_password", "refused")
    outcome.summary = [{name: median(row[name] for row in outcome.rows) for name in names}]
    return outcome


def _reserve(market: MeasuredMarket, outcome: Outcome, tickets: int) -> float:
    """Reservations a second."""
    return _rate(market, outcome, _wanted(market, tickets))


def _reserve_beside(market: MeasuredMarket, outcome: Outcome, tickets: int) -> tuple[float, Counter[int]]:
    """Reservations a second, and what those were answered who signed in meanwhile."""
    wanted = _wanted(market, tickets)
    with _signing_in(market, outcome) as answered:
        return _rate(market, outcome, wanted), answered


def _wanted(market: MeasuredMarket, tickets: int) -> Sequence[Request]:
    asked = market.reservations(market.list_tickets(tickets))
    cost.wait_until_quiet(market)
    return asked


def _rate(market: MeasuredMarket, outcome: Outcome, wanted: Sequence[Request]) -> float:
    result = load.run(market.port, wanted, CONNECTIONS, RESERVED, MOST_SECONDS)
    outcome.heard("reservations", result)
    return result.rate


@contextmanager
def _signing_in(market: MeasuredMarket, outcome: Outcome) -> Iterator[Counter[int]]:
    """People come at this rate however long they wait; what they were answered is counted."""
    answered: Counter[int] = Counter()
    over = threading.Event()
    address = f"http://127.0.0.1:{market.port}"
    signing_in = threading.Thread(target=lambda: asyncio.run(_sign_in(address, answered, over)))
    signing_in.start()
    try:
        yield answered
    finally:
        over.set()
        signing_in.join()
    outcome.wrong.extend(f"a sign-in was answered with {status}" for status in answered if status not in _EXPECTED)


async def _sign_in(address: str, answered: Counter[int], over: threading.Event) -> None:
    account = {"email": f"{secrets.token_hex(8)}@example.com", "password": "correct horse battery"}
    async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.post("/api/users/signup", json=account) as answer:
            answer.raise_for_status()

        async def one(number: int) -> None:
            body = account if number % 2 else {**account, "password": "a wrong password"}
            async with http.post("/api/users/signin", json=body) as answer:
                answered[answer.status] += 1

        async with asyncio.TaskGroup() as people:
            number = 0
            while not over.is_set():
                people.create_task(one(number))
                number += 1
                await asyncio.sleep(1 / SIGNINS_PER_SECOND)


def _told(answered: Counter[int]) -> dict[str, Any]:
    return {
        "signed_in": answered[HTTPStatus.OK],
        "wrong_password": answered[HTTPStatus.UNAUTHORIZED],
        "refused": answered[HTTPStatus.TOO_MANY_REQUESTS],
    }
