"""``holdfast load purchases-under-faults``: buyers who list, hold and pay over HTTP, and check every answer."""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.load.faults import sandbox_faults
from cli.load.http_sessions import MADE, PATIENCE_SECONDS, PAUSE_SECONDS, session, signed_up
from config.settings import Settings

# A day at a box office: most cards pay, some are declined, some want their owner.
CARDS = ("pm_card_visa",) * 16 + ("pm_card_chargeDeclined",) * 2 + ("pm_card_authenticationRequired",) * 2
PRICE = 25.0
_WRONG_SHOWN = 20

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do. `faults` is the probability of each fault of the sandbox."""

    purchases: int
    buyers: int
    faults: float
    seed: int


@dataclass(slots=True)
class Result:
    """What came of it. `seconds` holds how long each completed purchase took, from holding to paid."""

    elapsed_seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the completed purchases stayed below."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


async def run(settings: Settings, plan: Plan) -> Result:
    """Return what came of the purchases. Raises LoadError when nobody can sign up."""
    result = Result()
    async with sandbox_faults(settings, plan.faults, plan.seed), session(settings) as http:
        seller, *buyers = [await signed_up(http) for _ in range(plan.buyers + 1)]
        cards = random.Random(plan.seed)  # noqa: S311 - to have the same cards again, no secret
        began = time.monotonic()
        with Progress(transient=True) as progress:
            task = progress.add_task("buying", total=plan.purchases)
            wanted = iter(progress.track([cards.choice(CARDS) for _ in range(plan.purchases)], task_id=task))
            await asyncio.gather(*(_Buyer(http, seller, cookie, result).buy_all(wanted) for cookie in buyers))
        result.elapsed_seconds = time.monotonic() - began
    return result


def show(result: Result, console: Console) -> None:
    """Print the outcomes; only completed purchases count for the rate."""
    table = Table("outcome", "purchases")
    for outcome, count in sorted(result.outcomes.items()):
        table.add_row(outcome, f"{count:,}")
    console.print(table)
    rate = len(result.seconds) / result.elapsed_seconds if result.elapsed_seconds else 0.0
    p50, p99 = result.percentile(0.5), result.percentile(0.99)
    console.print(f"{rate:,.0f} paid purchases a second; p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
    for complaint in result.wrong[:_WRONG_SHOWN]:
        console.print(f"[red]wrong answer:[/red] {complaint}")


class _Buyer:
    """Buys one ticket after the other, each with the next card."""

    def __init__(self, http: aiohttp.ClientSession, seller: str, cookie: str, result: Result) -> None:
        self._http = http
        self._seller = seller
        self._cookie = cookie
        self._result = result

    async def buy_all(self, cards: Iterator[str]) -> None:
        for card in cards:
            self._result.outcomes[await self._buy(card)] += 1

    async def _buy(self, card: str) -> str:
        listed = await self._ask("POST", "/api/tickets", {"title": "Load", "price": PRICE}, cookie=self._seller)
        if listed is None or listed[0] not in MADE:
            return "not listed"
        began = time.monotonic()
        held = await self._ask("POST", "/api/orders", {"ticketId": listed[1]["id"]}, keyed=True)
        if held is None or held[0] not in MADE:
            return "not held"
        if held[1]["price"] != PRICE:
            self._complain(f"held at {held[1]['price']}")
        outcome = await self._pay(held[1]["id"], card)
        if outcome == "complete":
            self._result.seconds.append(time.monotonic() - began)
        return outcome

    async def _pay(self, order_id: str, card: str) -> str:
        """Return how the order ended, or `unknown` when it did not within the patience of its buyer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            # Without a key: every payment of an order is the same payment.
            answer = await self._ask("POST", "/api/payments", {"orderId": order_id, "paymentMethod": card})
            if answer is not None and answer[0] != HTTPStatus.ACCEPTED:
                return await self._ended(order_id, answer[0])
            if answer is not None and "clientSecret" in answer[1]:
                dialog = {"clientSecret": answer[1]["clientSecret"], "outcome": "succeeds"}
                await self._ask("POST", "/api/sandbox/authentications", dialog)
            await asyncio.sleep(PAUSE_SECONDS)
        return "unknown"

    async def _ended(self, order_id: str, status: int) -> str:
        read = await self._ask("GET", f"/api/orders/{order_id}")
        if read is None or read[0] != HTTPStatus.OK:
            return "unknown"
        state = str(read[1]["status"])
        if (status in MADE) != (state == "complete") and status != HTTPStatus.CONFLICT:
            self._complain(f"paying was answered with {status}, and the order is {state}")
        return f"cancelled ({read[1].get('cancelReason')})" if state == "cancelled" else state

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, cookie: str = "", keyed: bool = False
    ) -> Answer | None:
        """Return an answer that is no 503; None when there was none in time. With a key nothing is made twice."""
        headers = {"Cookie": cookie or self._cookie}
        if keyed:
            headers["Idempotency-Key"] = secrets.token_hex(16)
        deadline = time.monotonic() + PATIENCE_SECONDS / 2
        while time.monotonic() < deadline:
            try:
                async with self._http.request(method, path, json=body, headers=headers) as answer:
                    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        return answer.status, await answer.json()
                    if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                        self._complain(f"{method} {path.rpartition('/')[0]} was answered with {answer.status}")
            except (aiohttp.ClientError, TimeoutError):
                # The connection broke, as when HAProxy takes over a configuration: what was asked is asked again.
                pass
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    def _complain(self, complaint: str) -> None:
        self._result.wrong.append(complaint)
