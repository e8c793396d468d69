"""What every scenario works with: how much is asked for, what it hands back, and a market of its own."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

import pymongo
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks import load, seeding
from benchmarks.load.exchange import CREATED, Expected, Request, request
from benchmarks.load.result import Result
from benchmarks.support import databases
from benchmarks.support.running_market import HOLDFAST, RunningMarket, running_market
from benchmarks.support.session_cookies import cookie_for

PRICE_PARTS = ('"price":25.0,',)
LISTED = Expected(CREATED, parts=('"status":"available"', *PRICE_PARTS))
RESERVED = Expected(
    CREATED, begins='{"id":"', names='"ticket":{"id":"', parts=('"status":"created"', *PRICE_PARTS), fresh=True
)
LISTING_CONNECTIONS = 64
LISTING_SECONDS = 120.0
# Below the ten that the market lets a buyer hold, so that it keeps that promise too while it is measured.
TICKETS_PER_BUYER = 8


@dataclass(slots=True)
class Outcome:
    """What a scenario found: one row for each measurement, their medians, what was wrong, and what to know about it.

    `judge` is who looked at the books in the end; `verified` when it found nothing.
    """

    name: str
    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: list[dict[str, Any]] = field(default_factory=list)
    costs: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    verified: bool = False
    judge: str = "holdfast verify"
    notes: list[str] = field(default_factory=list)

    def heard(self, who: str, result: Result) -> None:
        """Take note of the wrong answers of a load."""
        self.wrong.extend(f"{who}: {complaint}" for complaint in result.wrong)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure, and on which database (`support.databases`).

    `quick` is for trying a scenario out: its figures mean nothing.
    """

    rounds: int
    connections: tuple[int, ...]
    quick: bool
    database: str = databases.EMBEDDED

    def much(self, count: int, of_quick: int) -> int:
        """How many, or how few when it has to be quick."""
        return of_quick if self.quick else count


@dataclass(frozen=True, slots=True)
class Bench:
    """The plan, and how to say how far it is."""

    plan: Plan
    console: Console
    progress: Progress
    task: TaskID

    def expect(self, steps: int) -> None:
        """Say how many steps there will be."""
        self.progress.update(self.task, total=steps, completed=0)

    def step(self, doing: str) -> None:
        """One step is begun."""
        self.progress.update(self.task, advance=1, description=doing)

    @contextmanager
    def market(self, **settings: str | int) -> Iterator["MeasuredMarket"]:
        """A new market that is stopped at the end."""
        with (
            tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder,
            databases.running(self.plan.database) as server,
            running_market(Path(folder), **({"mongodb_url": server.url} if server else {}), **settings) as market,
        ):
            yield MeasuredMarket(market, server)


Scenario = Callable[[Bench], Outcome]


@dataclass(frozen=True, slots=True)
class MeasuredMarket:
    """A running market, and what scenarios ask of it over HTTP."""

    running: RunningMarket
    server: databases.Server | None = None

    @property
    def port(self) -> int:
        """Where it answers."""
        return self.running.port

    @property
    def database_url(self) -> str:
        """Where its database answers."""
        return self.running.database_url

    @contextmanager
    def database(self) -> Iterator[Any]:
        """Its database, to look into it (untyped documents)."""
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(self.database_url)
        with client:
            yield client.get_default_database()

    def list_tickets(self, count: int) -> list[str]:
        """List so many tickets at 25.00 and return their ids. Raises SystemExit when that fails."""
        seller, cookie = cookie_for(self.running.key)
        asked = [request("POST", "/api/tickets", cookie=cookie, body=b'{"title":"Benchmark","price":25}')] * count
        result = load.run(self.port, asked, LISTING_CONNECTIONS, LISTED, LISTING_SECONDS)
        if result.successes != count:
            raise SystemExit(f"the tickets could not be listed: {result.wrong[:1]} {result.figures()}")
        with self.database() as database:
            return [document["_id"] for document in database["tickets"].find({"seller_id": seller}, {"_id": 1})]

    def seed(self, count: int, bench: Bench) -> list[str]:
        """List so many tickets in bulk and return their ids; a bar of its own says how far it is."""
        task = bench.progress.add_task(f"seeding {count:,} tickets", total=count)
        try:
            return seeding.seed(self.database_url, count, lambda more: bench.progress.advance(task, more))
        finally:
            bench.progress.remove_task(task)

    def reservations(self, ids: Sequence[str], each: int = TICKETS_PER_BUYER) -> list[Request]:
        """A reservation of each ticket, by new buyers in turn who want so many each."""
        return list(reservations(self.running.key, ids, each))

    def complaints(self) -> list[str]:
        """What `holdfast verify` finds wrong with the books."""
        said = subprocess.run(  # noqa: S603 - a fixed command of ours
            [HOLDFAST, "verify", "--json"],
            env=self.running.environment,
            cwd=self.running.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            found = json.loads(said.stdout)["violations"]
        except (json.JSONDecodeError, KeyError):
            return [f"holdfast verify: {said.stderr}{said.stdout}"]
        return [f"holdfast verify: {each['rule']}: {each['id']}" for each in found]

    def judge(self, outcome: Outcome) -> Outcome:
        """The outcome with what `holdfast verify` says of it."""
        complaints = self.complaints()
        outcome.wrong.extend(complaints)
        outcome.verified = not complaints
        return outcome


def reservations(key: str, ids: Sequence[str], each: int = TICKETS_PER_BUYER) -> Iterator[Request]:
    """A reservation of each ticket, by buyers in turn who want so many each and whose sessions this key signs."""
    signed_in = cycle([cookie_for(key) for _ in range(ceil(len(ids) / each))])
    for ticket_id, (buyer, cookie) in zip(ids, signed_in, strict=False):
        body = json.dumps({"ticketId": ticket_id}).encode()
        yield request("POST", "/api/orders", cookie=cookie, body=body, key=ticket_id, parts=(f'"userId":"{buyer}"',))
