"""The peers as they run: a database of their own each, and uvicorn before it."""

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import pymongo

from benchmarks.peers import cluster, postgres
from benchmarks.support import databases
from config.ports import free_port

TITLE, PRICE, CURRENCY, SELLER = "Benchmark", 2_500, "usd", "5" * 24
_REPOSITORY = Path(__file__).parents[2]
_START_SECONDS = 30
_STOP_SECONDS = 10


class Peer(ABC):
    """A shop that answers on `port`."""

    name: ClassVar[str]
    program: ClassVar[str]
    # How many tickets it is given for each of ours, so that a round takes seconds for everybody.
    share: ClassVar[float]

    def __init__(self, database: str, key: str) -> None:
        self.port = free_port()
        self.workers = 0
        self._database = database
        self.key = key
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, workers: int) -> None:
        """Start it with so many processes, again if it runs; returns when it answers. Raises TimeoutError."""
        self.stop()
        self.workers = workers
        command = [
            sys.executable, "-m", "uvicorn", "--factory", self.program,
            "--port", str(self.port),
            "--workers", str(workers),
            "--loop", "uvloop",
            "--http", "httptools",
            "--backlog", "4096",
            "--log-level", "warning",
            "--no-access-log",
        ]  # fmt: skip
        environment = {**os.environ, "PEER_DATABASE": self._database, "PEER_KEY": self.key}
        self._process = subprocess.Popen(command, env=environment, cwd=_REPOSITORY)  # noqa: S603 - ours
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError(f"the peer {self.name} does not answer")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; its database stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @abstractmethod
    def list_tickets(self, ids: Sequence[str]) -> None:
        """Put tickets up for sale."""

    @abstractmethod
    def orders_of(self, ids: Sequence[str]) -> Counter[str]:
        """How many orders each of these tickets has."""

    def complaints(self, ids: Sequence[str], successes: int, unanswered: int) -> list[str]:
        """What its books say against it: as many orders as it acknowledged, no ticket with two of them."""
        found = self.orders_of(ids)
        twice = [
            f"{self.name}: ticket {ticket_id} has {count} orders" for ticket_id, count in found.items() if count > 1
        ]
        if not successes <= found.total() <= successes + unanswered:
            twice.append(f"{self.name}: {found.total()} orders where {successes} were acknowledged")
        return twice

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1):
                return True
        except OSError:
            return False


class PostgresPeer(Peer):
    """FastAPI and PostgreSQL."""

    name, program, share = "PostgreSQL", "benchmarks.peers.postgres:build", 1.0

    def create_tables(self) -> None:
        """Make the tables, once."""
        asyncio.run(self._in_database(lambda connection: connection.execute(postgres.SCHEMA)))

    def list_tickets(self, ids: Sequence[str]) -> None:
        """In one COPY, and with the statistics that autovacuum would gather in time."""
        rows = [(ticket_id, SELLER, TITLE, PRICE, CURRENCY, "available", 1, None) for ticket_id in ids]

        async def list_them(connection: Any) -> None:  # noqa: ANN401 - asyncpg's connection comes in several classes
            await connection.copy_records_to_table("tickets", records=rows)
            await connection.execute("ANALYZE")

        asyncio.run(self._in_database(list_them))

    def orders_of(self, ids: Sequence[str]) -> Counter[str]:
        """Ask the tables."""
        query = "SELECT ticket_id, count(*) FROM orders WHERE ticket_id = ANY($1) GROUP BY ticket_id"
        rows = asyncio.run(self._in_database(lambda connection: connection.fetch(query, list(ids))))
        return Counter({row[0]: row[1] for row in rows})

    async def _in_database(self, work: Any) -> Any:  # noqa: ANN401 - whatever the query returns
        connection = await asyncpg.connect(self._database)
        try:
            return await work(connection)
        finally:
            await connection.close()


class MongoPeer(Peer):
    """FastAPI and a database of the market's kind."""

    name, program, share = "MongoDB", "benchmarks.peers.mongo:build", 0.15

    def create_indexes(self) -> None:
        """As the tables of the other peer have them."""
        with self._client() as client:
            orders = client.get_default_database()["orders"]
            orders.create_index([("buyer_id", 1), ("created_at", 1)])
            orders.create_index([("ticket_id", 1)])

    def list_tickets(self, ids: Sequence[str]) -> None:
        """In one bulk insert."""
        same = {"seller_id": SELLER, "title": TITLE, "price": PRICE, "currency": CURRENCY}
        with self._client() as client:
            client.get_default_database()["tickets"].insert_many(
                [{"_id": ticket_id, **same, "status": "available", "version": 1} for ticket_id in ids]
            )

    def orders_of(self, ids: Sequence[str]) -> Counter[str]:
        """Ask the collection."""
        wanted = set(ids)
        with self._client() as client:
            found = client.get_default_database()["orders"].find({}, {"ticket_id": 1})
            return Counter(order["ticket_id"] for order in found if order["ticket_id"] in wanted)

    def _client(self) -> pymongo.MongoClient[dict[str, Any]]:
        return pymongo.MongoClient(self._database)


@contextmanager
def running_peers(key: str, database: str) -> Iterator[list[Peer]]:
    """The peers that this machine can run, with one process each; they end with the context.

    The one on MongoDB runs on a server of its own of the same kind as the market's `database`.
    """
    with ExitStack() as ending:
        peers: list[Peer] = []
        if cluster.programs() is not None:
            shop = PostgresPeer(ending.enter_context(cluster.temporary_cluster()), key)
            shop.create_tables()
            peers.append(shop)
        other = MongoPeer(ending.enter_context(databases.running_beside(database)).url, key)
        other.create_indexes()
        peers.append(other)
        for peer in peers:
            ending.callback(peer.stop)
            peer.start(workers=1)
        yield peers
