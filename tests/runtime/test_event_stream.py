"""What the world is told: every committed event, in order, after its commit, also when Redis was away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest
from redis.asyncio import Redis

from actors.domain.account_events import UserCreated
from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import Pay
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder
from actors.domain.ticket_events import TicketCreated
from actors.domain.ticket_values import TicketDetails
from actors.events.redis_stream import SERVER_KEYS
from actors.runtime.commit_relay import BACKLOG, BACKLOG_BYTES, CommitRelay
from actors.runtime.ports import Checkpoint, Commit, DocumentUpdate, RecordedEvent, StoreUnavailableError
from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from holdfast.events import Event
from holdfast.events.partitions import STREAM_KEYS
from tests.support.broken_journals import GatedJournal
from tests.support.event_streams import an_event_stream, published_events
from tests.support.eventually import eventually
from tests.support.journal_checks import records
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import a_hold, a_ticket, asked, expect, held, listed


async def published(market: LocalMarket, ticket_id: str, how_many: int) -> list[Event]:
    entity = f"ticket:{ticket_id}"

    async def all_there() -> bool:
        return len(await published_events(market.connections.redis, entity)) >= how_many

    await eventually(all_there)
    return await published_events(market.connections.redis, entity)


async def some_trading(market: LocalMarket, ticket_id: str, rounds: int = 3) -> int:
    """Reserves and cancels; returns the number of events of the ticket, its creation included."""
    for _ in range(rounds):
        hold = await held(market, ticket_id)
        expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))
    return 1 + 2 * rounds


async def test_events_are_published_in_the_order_of_a_tickets_versions(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    count = await some_trading(market, ticket_id)
    found = await published(market, ticket_id, count)
    assert [event.version for event in found] == list(range(1, count + 1))
    assert [event.preceded_by for event in found] == [None, *range(1, count)]
    assert [event.subject for event in found[:3]] == ["ticket.created", "order.created", "order.cancelled"]
    assert [event.id for event in found[:2]] == [f"ticket:{ticket_id}:1", f"ticket:{ticket_id}:2"]


async def test_an_event_is_published_after_its_commit(market: LocalMarket) -> None:
    journal = market.connections.journal = GatedJournal(market.connections.database)
    host = market.start_tickets()
    ticket = a_ticket()
    listing = asyncio.create_task(asked(market, host, ticket))
    await eventually(lambda: journal.waiting == 1)
    await asyncio.wait([listing], timeout=0.2)
    assert await published_events(market.connections.redis, f"ticket:{ticket.ticket_id}") == []
    journal.gate.set()
    assert len(await published(market, ticket.ticket_id, 1)) == 1


async def test_the_event_stream_holds_nothing_about_payment_methods(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    charge = expect(PaymentAnswer, await market.pay(Pay(hold.order_id, "pm_card_visa", "secret key"))).charge

    async def is_completed() -> bool:
        return any(
            one.subject == "charge.completed" for one in await published_events(market.connections.redis, entity)
        )

    entity = f"charge:{charge.id}"
    await eventually(is_completed)
    found = await published_events(market.connections.redis, entity)
    assert [one.subject for one in found] == ["charge.created", "charge.authorised", "charge.completed"]
    assert [one.preceded_by for one in found] == [None, *(one.version for one in found[:2])]
    for event in found:
        assert b"pm_card_visa" not in event.data
        assert b"secret key" not in event.data
        assert orjson.loads(event.data)["amountCents"] == 5_000


# Redis is away


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    server = await asyncio.to_thread(start_redis, Settings(data_dir=tmp_path))
    yield server
    await asyncio.to_thread(server.stop)


async def test_buying_goes_on_while_redis_is_away_and_its_events_follow(
    market_settings: Settings, own_redis: Server
) -> None:
    settings = market_settings.model_copy(update={"redis_url": own_redis.url})
    async with local_market(settings) as market:
        (ticket_id,) = await listed(market)
        await published(market, ticket_id, 1)
        await asyncio.to_thread(own_redis.stop)
        count = await some_trading(market, ticket_id)
        hold = await held(market, ticket_id)
        expect(PaymentAnswer, await market.pay(Pay(hold.order_id, "pm_card_visa")))
        await asyncio.to_thread(own_redis.restart)
        # Connections of before the restart are closed when they are used next.
        await market.connections.redis.connection_pool.disconnect(inuse_connections=False)
        await market.connections.epoch_keeper(settings).round()
        found = await published(market, ticket_id, count + 3)
    # A new epoch has all of them, and then the actor may publish what it still had.
    assert list(dict.fromkeys(event.version for event in found)) == list(range(1, count + 4))


@pytest.mark.parametrize(("size", "most_bytes"), [(10_000, 20_000_000), (100, 2_000_000)])
async def test_stream_is_bounded_by_its_bytes_however_large_events_are(
    own_redis: Server, size: int, most_bytes: int
) -> None:
    details = TicketDetails("Chamber music", 5_000, "usd", description="x" * size)
    async with Redis.from_url(own_redis.url) as redis:
        stream = await an_event_stream(redis, max_bytes=most_bytes)
        for start in range(0, 12_000, 100):
            events = [
                RecordedEvent(f"ticket:{one}", 1, 0, TicketCreated("1" * 24, details))
                for one in range(start, start + 100)
            ]
            await stream.publish(events)
        used = sum([await redis.memory_usage(key, samples=0) or 0 for key in STREAM_KEYS])
        last = await published_events(redis, "ticket:11999")
    assert most_bytes / 2 < used < most_bytes * 1.3
    assert len(last) == 1


async def test_recovery_publishes_the_events_that_a_dead_host_did_not(
    market_settings: Settings, own_redis: Server
) -> None:
    settings = market_settings.model_copy(update={"redis_url": own_redis.url})
    async with local_market(settings) as market:
        await asyncio.to_thread(own_redis.stop)
        (ticket_id,) = await listed(market)
        expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id)))
        await market.tickets.kill()
        market.tickets = market.start_tickets()
        await asyncio.to_thread(own_redis.restart)
        # As if the epoch had begun here: a new one would have them from the journal.
        await market.connections.redis.unlink(*SERVER_KEYS)
        await market.recovery().round(market.live, set())
        found = await published_events(market.connections.redis, f"ticket:{ticket_id}")
        assert len(found) == len(await records(market.connections.database)) == 2


# A backlog that overflows


class Memory:
    """Journal, documents, checkpoints, stream and clock of one writer. The stream can be away."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.commits: list[Commit] = []
        self.told: list[int] = []
        self.away = True
        self.read_back = 0

    async def append(self, commit: Commit) -> int:
        self.commits.append(commit)
        return self.size

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:  # noqa: ARG002 - there is one writer
        await asyncio.sleep(0)
        self.read_back += 1
        return self.commits[seq : seq + limit]

    async def commits_with_keys(self, keys: object) -> list[Commit]: ...  # type: ignore[empty-body]

    async def existing_keys(self, keys: object) -> set[str]: ...  # type: ignore[empty-body]

    async def write(self, updates: Sequence[DocumentUpdate]) -> None: ...

    async def save(self, checkpoint: Checkpoint) -> None: ...

    async def remove(self, writer: str) -> None: ...

    async def published(self, writers: object) -> dict[str, int]: ...  # type: ignore[empty-body]

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailableError
        self.told.extend(record.version for record in records)

    def now(self) -> int:
        return 0


@pytest.mark.parametrize(("size", "fits"), [(1_000, BACKLOG), (BACKLOG_BYTES // 2, 2)])
async def test_events_beyond_the_publishers_backlog_are_read_back_from_the_journal(size: int, fits: int) -> None:
    memory = Memory(size)
    commit_relay = CommitRelay(memory, memory, memory, memory, memory, writer="w", host="h", report=lambda *_: None)
    running = asyncio.create_task(commit_relay.run())

    async def commit() -> None:
        seq = len(memory.commits) + 1
        written = Commit("w", seq, 0, (), (RecordedEvent("user:1", seq, 0, UserCreated("1")),))
        commit_relay.on_committed(written, await memory.append(written))

    for _ in range(fits + 500):
        await commit()
    assert len(commit_relay._backlog) == fits
    memory.away = False
    while len(memory.told) < fits + 400:
        await commit()  # more arrives while it catches up
        await asyncio.sleep(0)
    await eventually(lambda: len(memory.told) >= len(memory.commits))
    running.cancel()
    await asyncio.wait([running])
    assert memory.told == list(range(1, len(memory.commits) + 1))
    assert memory.read_back > 0
    assert commit_relay._backlog_bytes == 0
