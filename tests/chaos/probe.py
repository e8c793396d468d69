"""A probe: lists, reserves, cancels and pays all the time, and notes every answer with its times."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.support.running_market import RunningMarket
from benchmarks.support.session_cookies import cookie_for
from tests.chaos.judgement import SLOW_SECONDS, is_done
from tests.chaos.records import Answer, Purchase, Reservation, Verb, Wish
from tests.support.eventually import eventually

EVERY_SECONDS = 0.05
# Tickets listed beforehand: enough for the longest outage, during which none can be listed.
STOCK = 500
LISTERS = 8
STOCKING_SECONDS = 120.0
CANCEL_ONE_IN = 4
# A payment costs what twenty reservations cost.
PAY_ONE_IN = 20
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 0.5


class Probe:
    """Asks on time, whatever became of earlier questions, so that an outage cannot hide behind a waiting client.

    Every reservation is of a new ticket by somebody new, so no limit and no earlier hold can refuse it.
    """

    def __init__(self, market: RunningMarket, pay_one_in: int = PAY_ONE_IN, stock: int = STOCK) -> None:
        self.answers: list[Answer] = []
        self.purchases: list[Purchase] = []
        # Reservations whose answer did not say whether they were made.
        self.unknown: list[Reservation] = []
        # Questions that wait for their answer, with the moment at which they were asked.
        self.pending: set[tuple[Verb, float]] = set()
        # Moments at which there was nothing to reserve: then the probe measured nothing.
        self.starved = 0
        self.pay_one_in = pay_one_in
        self._wanted_stock = stock
        self._key = market.key
        self._seller = cookie_for(market.key)[1]
        self._stock: deque[tuple[str, float]] = deque()
        self._listed = 0
        self._asking: set[asyncio.Task[None]] = set()
        self._running: list[asyncio.Task[None]] = []
        # A connection for each question: one that the other side closed while it was idle would look like a fault.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = aiohttp.ClientSession(
            market.url,
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        )

    async def go_on(self) -> None:
        """Start asking; return once there is a stock of tickets."""
        self._running = [asyncio.create_task(self._list()) for _ in range(LISTERS)]
        await eventually(lambda: len(self._stock) >= self._wanted_stock, STOCKING_SECONDS)
        self._running.append(asyncio.create_task(self._reserve_on_time()))

    async def pause(self) -> None:
        """Stop asking; return when everything that was asked is answered."""
        for job in self._running:
            job.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []
        while self._asking:
            await asyncio.wait(self._asking)

    async def leave(self) -> None:
        for task in (*self._running, *self._asking):
            task.cancel()
        await asyncio.gather(*self._running, *self._asking, return_exceptions=True)
        await self._http.close()

    def holds_up(self, verb: Verb) -> bool:
        """Whether somebody waits longer for this than anybody should."""
        latest = time.monotonic() - SLOW_SECONDS[verb]
        return any(asked is verb and sent < latest for asked, sent in self.pending)

    async def read(self, path: str, cookie: str) -> dict[str, Any] | None:
        """What is there now; None when it is not. Patient: nothing is judged by it but what is there."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                async with self._http.get(path, headers={"Cookie": cookie}) as answer:
                    if answer.status in {200, 404}:
                        return dict(await answer.json()) if answer.status == 200 else None
            except (aiohttp.ClientError, TimeoutError):
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} cannot be read")
            await asyncio.sleep(PAUSE_SECONDS)

    async def ask_again(self, reservation: Reservation) -> Purchase:
        """Reserve what nobody knows to be reserved or not: its buyer gets the order that is there, or a new one."""
        ticket = {"ticketId": reservation.ticket_id}
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            answer, order = await self._ask(Verb.RESERVE, "/api/orders", reservation.cookie, ticket)
            if is_done(answer):
                return reservation.acknowledged(order)
            await asyncio.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"ticket {reservation.ticket_id} cannot be reserved: {answer}")

    async def let_go(self, purchase: Purchase) -> None:
        """Cancel an order whose hold would otherwise last; an order that is complete stays."""
        async with self._http.delete(
            f"/api/orders/{purchase.order_id}", headers={"Cookie": purchase.reservation.cookie}
        ):
            pass

    async def _list(self) -> None:
        while True:
            if len(self._stock) >= self._wanted_stock:
                await asyncio.sleep(EVERY_SECONDS)
                continue
            self._listed += 1
            # Each at a price of its own, so that a mixed-up answer shows.
            price = (2_000 + self._listed % 1_000) / 100
            answer, ticket = await self._ask(
                Verb.LIST, "/api/tickets", self._seller, {"title": "Probe", "price": price}
            )
            if is_done(answer):
                self._stock.append((ticket["id"], price))
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _reserve_on_time(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + EVERY_SECONDS, time.monotonic() - EVERY_SECONDS)
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if self._stock:
                self._beside(self._buy(*self._stock.popleft()))
            else:
                self.starved += 1

    def _beside(self, asking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(asking)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _buy(self, ticket_id: str, asked_price: float) -> None:
        reservation = Reservation(ticket_id, *cookie_for(self._key), asked_price)
        answer, order = await self._ask(Verb.RESERVE, "/api/orders", reservation.cookie, {"ticketId": ticket_id})
        if not is_done(answer):
            self.unknown.append(reservation)
            return
        purchase = reservation.acknowledged(order)
        self.purchases.append(purchase)
        number = len(self.purchases)
        if number % self.pay_one_in == 0:
            await self._pay(purchase)
        elif number % CANCEL_ONE_IN == 0:
            await self._cancel(purchase)

    async def _cancel(self, purchase: Purchase) -> None:
        purchase.wish = Wish.CANCELLING
        answer, _ = await self._ask(Verb.CANCEL, f"/api/orders/{purchase.order_id}", purchase.reservation.cookie)
        if is_done(answer):
            purchase.wish = Wish.CANCELLED

    async def _pay(self, purchase: Purchase) -> None:
        """Asks again while the outcome is not known and the probe goes on, as a buyer would."""
        purchase.wish = Wish.PAYING
        body = {"orderId": purchase.order_id, "paymentMethod": "pm_card_visa"}
        while True:
            answer, _ = await self._ask(Verb.PAY, "/api/payments", purchase.reservation.cookie, body)
            if is_done(answer):
                purchase.wish = Wish.PAID
            if answer.status not in {None, 202, 503} or not self._running:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, verb: Verb, path: str, cookie: str, body: object = None) -> tuple[Answer, dict[str, Any]]:
        method = "DELETE" if verb is Verb.CANCEL else "POST"
        sent = time.monotonic()
        self.pending.add((verb, sent))
        try:
            async with self._http.request(method, path, json=body, headers={"Cookie": cookie}) as response:
                text = await response.text()
                retry_after = response.headers.get("Retry-After")
                answer = Answer(verb, sent, time.monotonic(), response.status, retry_after, text[:200])
        except (aiohttp.ClientError, TimeoutError) as error:
            answer, text = Answer(verb, sent, time.monotonic(), None, None, type(error).__name__), ""
        finally:
            self.pending.discard((verb, sent))
        self.answers.append(answer)
        return answer, dict(json.loads(text)) if is_done(answer) and text else {}


@asynccontextmanager
async def probing(market: RunningMarket, pay_one_in: int = PAY_ONE_IN, stock: int = STOCK) -> AsyncIterator[Probe]:
    """A probe that asks until the context ends."""
    probe = Probe(market, pay_one_in, stock)
    try:
        await probe.go_on()
        yield probe
        await probe.pause()
    finally:
        await probe.leave()
