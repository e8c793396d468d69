"""Redis is away for 20 seconds while people trade: a consumer ends with exactly what the journal has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder
from actors.runtime.ports import StoreUnavailableError
from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from holdfast.cancellation import cancel_until_ended
from holdfast.events import Event, connect
from holdfast.events.partitions import PARTITIONS
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import expect, held, listed

pytestmark = pytest.mark.slow

AWAY_SECONDS = 20.0
TRADERS = 4
CATCHES_UP_SECONDS = 60.0


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    server = await asyncio.to_thread(start_redis, Settings(data_dir=tmp_path))
    yield server
    await asyncio.to_thread(server.stop)


async def trade(market: LocalMarket, until: asyncio.Event) -> None:
    """Lists tickets, holds each and lets it go."""
    while not until.is_set():
        (ticket_id,) = await listed(market)
        hold = await held(market, ticket_id)
        expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))
        await asyncio.sleep(0.02)


async def keep_the_stream(market: LocalMarket, until: asyncio.Event) -> None:
    """As the Supervisor does. The driver may lose a cancellation that comes together with its answer."""
    keeper = market.connections.epoch_keeper(market.settings)
    while not until.is_set():
        with suppress(StoreUnavailableError):  # while Redis is away
            await keeper.round()
        await asyncio.sleep(0.5)


async def consume(url: str, market: LocalMarket, found: list[Event]) -> None:
    async with (
        connect(url, client_id="statistics", history=market.connections.history) as client,
        client.subscribe(">", durable="statistics", deliver="all") as subscription,
    ):
        async for message in subscription:
            found.append(message.event)
            await message.ack()


@pytest.mark.parametrize("is_emptied", [False, True], ids=["keeps its data", "comes back empty"])
async def test_consumer_ends_with_exactly_the_journals_events_after_redis_was_away(
    market_settings: Settings, own_redis: Server, *, is_emptied: bool
) -> None:
    async with local_market(market_settings.model_copy(update={"redis_url": own_redis.url})) as market:
        found: list[Event] = []
        is_over, is_closing = asyncio.Event(), asyncio.Event()
        jobs = [
            asyncio.create_task(keep_the_stream(market, is_closing)),
            asyncio.create_task(consume(own_redis.url, market, found)),
        ]
        traders = [asyncio.create_task(trade(market, is_over)) for _ in range(TRADERS)]
        await eventually(lambda: len(found) > 50)
        if is_emptied:
            await market.connections.redis.config_set("appendonly", "no")
            await market.connections.redis.config_set("save", "")
            await market.connections.redis.flushall()
        await asyncio.to_thread(own_redis.stop)
        await asyncio.sleep(AWAY_SECONDS)  # this is the outage
        await asyncio.to_thread(own_redis.restart)
        before = len(found)
        await eventually(lambda: len(found) > before + 50, CATCHES_UP_SECONDS)
        is_over.set()
        await asyncio.gather(*traders)
        journal = {event.id: event async for event in market.connections.history.since(0, range(PARTITIONS))}
        await eventually(lambda: {event.id for event in found} >= journal.keys(), CATCHES_UP_SECONDS)
        is_closing.set()
        await asyncio.gather(jobs[0], cancel_until_ended([jobs[1]]))
        assert {event.id for event in found} == journal.keys()
        handled: dict[str, int] = {}
        for event in found:
            # First occurrences come in the order of versions, each behind the one that it says.
            if event.version > handled.get(event.entity, 0):
                assert handled.get(event.entity) == event.preceded_by
                handled[event.entity] = event.version
