"""``holdfast load``: buyers who list, hold and pay over HTTP, and check every answer."""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from actors.storage.database import connect, database_of
from actors.stripe.sandbox import FaultPlan, LedgerUnavailable, MongoLedger
from config.settings import Settings

# A day at a box office: most cards pay, some are declined, some want their owner.
CARDS = ("pm_card_visa",) * 16 + ("pm_card_chargeDeclined",) * 2 + ("pm_card_authenticationRequired",) * 2
PRICE = 25.0
# Whoever pays asks again while the answer is not known, for as long as people have patience.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.25
MADE = (HTTPStatus.CREATED, HTTPStatus.OK)
_WRONG_SHOWN = 20

Answer = tuple[int, dict[str, Any]]


class LoadError(Exception):
    """The load could not begin; the message says what to do."""


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

    elapsed: float = 0.0
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
    async with _faults(settings, plan), _session(settings) as http:
        seller, *buyers = [await _signed_up(http) for _ in range(plan.buyers + 1)]
        cards = random.Random(plan.seed)  # noqa: S311 - to have the same cards again, no secret
        began = time.monotonic()
        with Progress(transient=True) as progress:
            task = progress.add_task("buying", total=plan.purchases)
            wanted = iter(progress.track([cards.choice(CARDS) for _ in range(plan.purchases)], task_id=task))
            await asyncio.gather(*(_Buyer(http, seller, cookie, result).buy_all(wanted) for cookie in buyers))
        result.elapsed = time.monotonic() - began
    return result


def show(result: Result, console: Console) -> None:
    """Print the outcomes; only completed purchases count for the rate."""
    table = Table("outcome", "purchases")
    for outcome, count in sorted(result.outcomes.items()):
        table.add_row(outcome, f"{count:,}")
    console.print(table)
    rate = len(result.seconds) / result.elapsed if result.elapsed else 0.0
    p50, p99 = result.percentile(0.5), result.percentile(0.99)
    console.print(f"{rate:,.0f} paid purchases a second; p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
    for complaint in result.wrong[:_WRONG_SHOWN]:
        console.print(f"[red]wrong answer:[/red] {complaint}")


@asynccontextmanager
async def _faults(settings: Settings, plan: Plan) -> AsyncIterator[None]:
    """The sandbox fails as planned while the context lasts."""
    if not plan.faults:
        yield
        return
    if not settings.sandbox_payments:
        raise LoadError("faults are for the sandbox: this market is paid through Stripe (unset STRIPE_KEY)")
    each = plan.faults
    faults = FaultPlan(
        lost_answer=each, delay=each, conflict=each, rate_limit=each, server_error=each, connection_reset=each,
        duplicate_webhook=each, reorder_webhook=each, seed=plan.seed,
    )  # fmt: skip
    async with connect(str(settings.mongodb_url)) as client:
        ledger = MongoLedger(database_of(client))
        await _set_faults(ledger, faults)
        try:
            yield
        finally:
            await _set_faults(ledger, None)


async def _set_faults(ledger: MongoLedger, faults: FaultPlan | None) -> None:
    """A database under load may need more than one question."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await ledger.set_faults(faults)
        except LedgerUnavailable:
            if time.monotonic() > deadline:
                wanted = "on" if faults else "off: run `holdfast load --faults 0.01 --purchases 1` to have that done"
                raise LoadError(f"the database does not answer, so the faults could not be turned {wanted}") from None
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return


def _session(settings: Settings) -> aiohttp.ClientSession:
    """Many people behind one session: it keeps no cookies, and has a connection for each of them."""
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{settings.http_port}",
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _signed_up(http: aiohttp.ClientSession) -> str:
    """Return the cookie of somebody new."""
    account = {"email": f"load-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
    try:
        async with http.post("/api/users/signup", json=account) as answer:
            if answer.status != HTTPStatus.CREATED:
                raise LoadError(f"signing up was answered with {answer.status}: set RATE_LIMITS=off for load tests")
            return "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
    except aiohttp.ClientError as error:
        raise LoadError(f"the market does not answer ({type(error).__name__}): start it with `holdfast up`") from None


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
