"""One writer of commits, in a process of its own as a TicketActor is: as many commits as it can for some seconds."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from actors.domain.codec import Document
from actors.domain.keys import order_key
from actors.domain.ticket_events import OrderCreated
from actors.domain.ticket_values import Order, OrderStatus
from actors.runtime.ports import Commit, FencedError, RecordedEvent, commit_id
from actors.storage.database import connect, database_of
from actors.storage.journal import MongoJournal

TICKET_VERSION = 2
_PATIENCE_MS = 60_000
_PRICE = 2_500
_WINDOW_MS = 900_000


@dataclass(frozen=True, slots=True)
class Job:
    """Reservations to write: `events` a commit, from `begin_at` (seconds since 1970) on, for so many seconds.

    With `claims` each order's key is written first, to a collection of its own (docs/scaling.md).
    """

    url: str
    writer: str
    events: int
    begin_at: float
    seconds: float
    claims: bool = False


@dataclass(slots=True)
class Written:
    """What one writer made of it. Times are seconds, `took` those of each commit."""

    commits: int = 0
    events: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0
    took: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def write(job: Job) -> Written:
    """Write, and compare what is there with what was acknowledged. Raises StoreUnavailableError, PyMongoError."""
    return asyncio.run(_write(job))


async def _write(job: Job) -> Written:
    written = Written()
    async with _opened(job.url) as (journal, claims):
        await asyncio.sleep(max(0.0, job.begin_at - time.time()))
        began, cpu = time.monotonic(), time.process_time()
        for seq in count(1):
            commit = commit_of(job.writer, seq, job.events)
            started = time.monotonic()
            if started - began >= job.seconds:
                break
            if job.claims:
                await _claim(claims, commit)
            await journal.append(commit)
            written.took.append(time.monotonic() - started)
            written.commits, written.events = seq, written.events + job.events
            last = commit
        written.elapsed, written.cpu = time.monotonic() - began, time.process_time() - cpu
        if written.commits:
            written.wrong = await _complaints(journal, last)
    return written


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[tuple[MongoJournal, AsyncCollection[Document]]]:
    async with connect(url, patience_ms=_PATIENCE_MS) as client:
        database = database_of(client)
        yield MongoJournal(database), database["claims"]


def commit_of(writer: str, seq: int, events: int) -> Commit:
    """A turn in which so many tickets were reserved."""
    now = time.time_ns() // 1_000_000
    records = tuple(_reserved(now, commit_id(writer, seq)) for _ in range(events))
    keys = (key for record in records for key in (record.key, order_key(record.event.order.id)))
    return Commit(writer, seq, now, tuple(keys), records)


def _reserved(now: int, commit: str) -> RecordedEvent[OrderCreated]:
    ticket, order = str(ObjectId()), str(ObjectId())
    held = Order(
        id=order,
        ticket_id=ticket,
        seller_id="5" * 24,
        buyer_id="6" * 24,
        title="Benchmark",
        price=_PRICE,
        currency="usd",
        status=OrderStatus.CREATED,
        created_at=now,
        expires_at=now + _WINDOW_MS,
        updated_at=now,
    )
    return RecordedEvent(f"ticket:{ticket}", TICKET_VERSION, now, OrderCreated(held), commit, commit)


async def _claim(claims: AsyncCollection[Document], commit: Commit) -> None:
    owned = ((order_key(record.event.order.id), record.entity) for record in commit.records)  # type: ignore[attr-defined]
    await claims.insert_many([{"_id": key, "owner": owner} for key, owner in sorted(owned)], ordered=False)


async def _complaints(journal: MongoJournal, last: Commit) -> list[str]:
    """What is not as the journal promises: all commits in order, the last one as it was sent, and its keys taken."""
    wrong = []
    if await journal.after(last.writer, last.seq - 1, 2) != [last]:
        wrong.append(f"the last commit of {last.writer} is not as it was written")
    if await journal.existing_keys(last.keys) != set(last.keys):
        wrong.append(f"keys of the last commit of {last.writer} are missing")
    await journal.append(last)
    try:
        await journal.append(Commit(f"{last.writer}-other", 1, last.at, last.keys, last.records))
    except FencedError:
        return wrong
    return [*wrong, f"keys of {last.writer} could be taken twice"]
