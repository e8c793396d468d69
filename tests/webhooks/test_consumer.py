"""The first registration begins to read the event stream at itself: nothing older is read, nothing newer is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from bson import ObjectId
from redis.asyncio import Redis

from actors.domain.instants import Instant
from actors.domain.ticket_events import TicketCreated
from actors.domain.ticket_values import TicketDetails
from actors.events.consumer import BeginsAt, Consumer, Handle, RunOnce
from actors.events.redis_stream import RedisEventStream
from actors.processes.webhooks import WebhookConsumer
from actors.runtime.ports import RecordedEvent
from actors.storage.subscriptions import MongoPositions
from actors.supervision.duty import Duties, Duty
from holdfast.cancellation import cancel_until_ended
from holdfast.events import Event
from tests.support.event_streams import NoHistory, an_event_stream
from tests.support.eventually import eventually
from tests.support.examples import SELLER
from tests.webhooks.conftest import Webhooks

LISTED = TicketCreated(SELLER, TicketDetails("Hamlet", 4_250, "usd"))
URL = "https://example.com"
HOUR_MS = 3_600_000


@dataclass
class Market:
    """An event stream with what reads it for webhooks. `read` has the ids of the events that were read."""

    webhooks: Webhooks
    redis: Redis
    stream: RedisEventStream
    read: list[str] = field(default_factory=list)

    async def lists(self, at: Instant) -> str:
        """Publish that a ticket was listed, and return the event's id."""
        record = RecordedEvent(f"ticket:{ObjectId()}", 1, at, LISTED)
        await self.stream.publish([record])
        return record.key

    @asynccontextmanager
    async def consuming(self, begins_at: BeginsAt | None = None) -> AsyncIterator[None]:
        """One life of the process that reads; `begins_at` in place of the feed's."""
        opened: list[Consumer] = []

        def subscribe(durable: str, subjects: Sequence[str], handle: Handle, of_feed: BeginsAt) -> RunOnce:
            async def handle_and_note(events: Sequence[Event]) -> None:
                await handle(events)
                self.read += [event.id for event in events]

            own = self.webhooks.database
            begin = begins_at or of_feed
            opened.append(
                Consumer(
                    durable, subjects, handle_and_note, life=str(ObjectId()), redis=self.redis,
                    positions=MongoPositions(own), history=NoHistory(), begins_at=begin,
                )
            )  # fmt: skip
            return opened[0].run_once

        consumer = WebhookConsumer(self.webhooks.feed(), subscribe)
        now = self.webhooks.now
        running = asyncio.create_task(Duties([Duty("feed_webhooks", 0.0, consumer.run_once)], lambda: now).run())
        try:
            yield
        finally:
            await cancel_until_ended([running])
            await opened[0].close()

    async def sent(self) -> set[str]:
        """The ids of all events that became deliveries."""
        return {one["event_id"] async for one in self.webhooks.database["webhook_deliveries"].find()}

    async def reads(self, event_id: str) -> None:
        await eventually(lambda: event_id in self.read)


@pytest.fixture
async def market(webhooks: Webhooks, redis_url: str) -> AsyncIterator[Market]:
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
        # Ids in the streams are times of Redis.
        webhooks.now = time.time_ns() // 1_000_000
        yield Market(webhooks, redis, await an_event_stream(redis))
        # Others share this Redis, and find an epoch in it otherwise.
        await redis.flushall()


async def test_event_right_after_the_first_registration_is_sent_and_older_ones_are_not_read(market: Market) -> None:
    now = market.webhooks.now
    for minutes in range(50):
        await market.lists(now - HOUR_MS + minutes * 60_000)
    await market.webhooks.endpoint(URL, market=True)
    right_after = await market.lists(now)
    async with market.consuming():
        await market.reads(right_after)
        later = await market.lists(now + 1)
        await market.reads(later)
    assert market.read == [right_after, later]
    assert await market.sent() == {right_after, later}


async def test_event_right_after_the_first_registration_is_lost_without_a_start_at_it(market: Market) -> None:
    await market.webhooks.endpoint(URL, market=True)
    right_after = await market.lists(market.webhooks.now)
    async with market.consuming(lambda: "new"):
        later: set[str] = set()

        async def one_is_read() -> bool:
            later.add(await market.lists(market.webhooks.now))
            return bool(market.read)

        await eventually(one_is_read)
    assert right_after not in await market.sent()
    assert await market.sent() <= later


async def test_reading_goes_on_where_it_ended_whenever_the_endpoint_was_changed(market: Market) -> None:
    endpoint = await market.webhooks.endpoint(URL, market=True)
    async with market.consuming():
        await market.reads(await market.lists(market.webhooks.now))
    while_down = await market.lists(market.webhooks.now)
    await market.webhooks.endpoints.change(endpoint.id, {"since": market.webhooks.now + HOUR_MS})
    async with market.consuming():
        await market.reads(while_down)
