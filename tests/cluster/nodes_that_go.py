"""People trade with a market on several nodes while an operator gives a command, and while a node is lost."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.client import Person
from tests.support.eventually import eventually

TRADERS = 4
# Nodes that share one machine start actors on what those who trade leave of it.
THINK_SECONDS = 0.2
# As many answers are good before anything happens, and again after it.
MANY = 24
COMMAND_SECONDS = PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Reachable:
    """Where the market answers, and the key of its sessions."""

    url: str
    key: str


@dataclass(slots=True)
class Trade:
    """What people were answered, what was refused and why, and the longest time without a good answer, in seconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    longest_gap: float = 0.0
    last_good: float = field(default_factory=time.monotonic)

    async def note(self, asked: Awaitable[httpx.Response]) -> httpx.Response | None:
        """Wait for the answer and count it."""
        try:
            answer = await asked
        except httpx.HTTPError as error:
            self.statuses[type(error).__name__] += 1
            return None
        self.statuses[str(answer.status_code)] += 1
        if not answer.is_success:
            self.refusals.append(f"{answer.request.method} {answer.request.url.path}: {answer.text[:200]}")
        else:
            self.longest_gap = max(self.longest_gap, time.monotonic() - self.last_good)
            self.last_good = time.monotonic()
        return answer

    @property
    def succeeded(self) -> int:
        """How many answers were good."""
        return sum(count for status, count in self.statuses.items() if status.startswith("2"))

    async def goes_on(self) -> None:
        """Wait for many more good answers."""
        before = self.succeeded
        await eventually(lambda: self.succeeded >= before + MANY, PATIENCE_SECONDS)

    def as_json(self) -> dict[str, Any]:
        gap = round(self.longest_gap, 1)
        return {"statuses": dict(self.statuses), "longest gap": gap, "refusals": self.refusals[-5:]}


async def _trades(market: Reachable, trade: Trade) -> None:
    """List, read, hold and give back tickets without end."""
    seller, buyer = Person(market), Person(market)
    try:
        while True:
            await asyncio.sleep(THINK_SECONDS)
            listed = await trade.note(seller.posts_ticket())
            if listed is None or not listed.is_success:
                continue
            ticket_id = listed.json()["id"]
            await trade.note(buyer.reads_ticket(ticket_id))
            held = await trade.note(buyer.reserves(ticket_id))
            if held is not None and held.is_success:
                await trade.note(buyer.cancels(held.json()["id"]))
    finally:
        await seller.leaves()
        await buyer.leaves()


@asynccontextmanager
async def trading(market: Reachable) -> AsyncIterator[Trade]:
    """Have people trade for as long as the context lasts: they do when it begins, and they still do when it ends."""
    trade = Trade()
    tasks = [asyncio.create_task(_trades(market, trade)) for _ in range(TRADERS)]
    try:
        await trade.goes_on()
        yield trade
        await trade.goes_on()
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    strange = [one for one in ended if not isinstance(one, asyncio.CancelledError)]
    assert not strange, strange


async def told(address: str, *words: str) -> dict[str, Any]:
    """Give a command of `holdfast`, as an operator does; what it said."""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from cli.main import app; app()", *words],
        env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    return {"code": ended.returncode, "said": ended.stdout.splitlines(), "told": ended.stderr[-2_000:]}


async def given(market: Reachable, address: str, *words: str) -> dict[str, Any]:
    """Give a command under load; what it said, and what people were answered."""
    async with trading(market) as trade:
        ended = await told(address, *words)
    return {**ended, **trade.as_json()}


async def lost(
    market: Reachable, end_node: Callable[[], object], is_whole: Callable[[], Awaitable[float]]
) -> dict[str, Any]:
    """End a node under load, and wait until the market is whole again; what people were answered."""
    async with trading(market) as trade:
        await asyncio.to_thread(end_node)
        seconds = await is_whole()
    return {"seconds until whole": round(seconds, 1), **trade.as_json()}
