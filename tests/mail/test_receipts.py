"""Sales and refunds reach the outbox through the event stream, each once, and across restarts."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from bson import ObjectId
from redis.asyncio import Redis

from actors.domain.ticket_events import OrderCancelled, OrderCompleted, OrderCreated
from actors.domain.ticket_values import CancelReason
from actors.events.consumer import Consumer, Handle
from actors.mail import receipts
from actors.mail.outbox import Outbox
from actors.runtime.ports import RecordedEvent, StoreUnavailableError
from actors.storage.database import Database
from actors.storage.subscriptions import MongoPositions
from actors.supervision.duty import Duties, Duty
from holdfast.cancellation import cancel_until_ended
from holdfast.events import Event
from tests.mail.conftest import NOW
from tests.support.event_streams import NoHistory, an_event_stream
from tests.support.eventually import eventually
from tests.support.examples import SALE, START, creation, order_of, reservation, ticket_after


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
        yield redis
        # Others share this Redis, and find an epoch in it otherwise.
        await redis.flushall()


def sale(number: int, reason: CancelReason | None = None, at: int = NOW) -> RecordedEvent:
    order_id = f"{number:024x}"
    start, sell = replace(START, order_id=order_id), replace(SALE, order_id=order_id)
    ticket = ticket_after(creation(), reservation(order_id), start, sell)
    order = order_of(ticket)
    event = OrderCompleted(order) if reason is None else OrderCancelled(replace(order, cancel_reason=reason))
    return RecordedEvent(f"ticket:{ObjectId()}", 1, at, event)


async def mails(database: Database) -> set[str]:
    return {mail["_id"] async for mail in database["mails"].find()}


async def reach(database: Database, *expected: str) -> None:
    """Waits for these mails; there are to be no others."""

    async def are_all_there() -> bool:
        return await mails(database) >= set(expected)

    await eventually(are_all_there)
    assert await mails(database) == set(expected)


@asynccontextmanager
async def writing_receipts(redis: Redis, database: Database, handle: Handle | None = None) -> AsyncIterator[None]:
    """One life of the process that writes them."""
    own = receipts.Receipts(Outbox(database), lambda: NOW).handle
    consumer = Consumer(
        receipts.DURABLE,
        receipts.SUBJECTS,
        handle or own,
        life=secrets.token_hex(8),
        redis=redis,
        positions=MongoPositions(database),
        history=NoHistory(),
    )
    running = asyncio.create_task(Duties([Duty("write_receipts", 0.0, consumer.run_once)], lambda: NOW).run())
    try:
        yield
    finally:
        await cancel_until_ended([running])
        await consumer.close()


async def test_a_mail_is_written_about_a_sale_and_a_refund_and_nothing_else(redis: Redis, database: Database) -> None:
    refunded, cancelled = sale(2, CancelReason.REFUNDED), sale(3, CancelReason.BUYER)
    held = RecordedEvent("ticket:x", 1, NOW, OrderCreated(order_of(ticket_after(creation(), reservation()))))
    async with writing_receipts(redis, database):
        await (await an_event_stream(redis)).publish([sale(1), held, cancelled, refunded])
        await reach(database, f"receipt:{1:024x}", f"refund:{2:024x}")


async def test_a_mail_is_written_about_an_offer_of_the_waiting_list(redis: Redis, database: Database) -> None:
    order = replace(order_of(ticket_after(creation(), reservation(f"{4:024x}"))), offer=True)
    async with writing_receipts(redis, database):
        await (await an_event_stream(redis)).publish([RecordedEvent("ticket:x", 2, NOW, OrderCreated(order))])
        await reach(database, f"offer:{4:024x}")


async def test_events_that_were_handled_are_not_handled_again_after_a_restart(redis: Redis, database: Database) -> None:
    stream = await an_event_stream(redis)
    await stream.publish([sale(1)])
    async with writing_receipts(redis, database):
        await reach(database, f"receipt:{1:024x}")
    await database["mails"].delete_many({})
    await stream.publish([sale(2)])
    async with writing_receipts(redis, database):
        await reach(database, f"receipt:{2:024x}")


async def test_an_event_that_could_not_be_handled_is_handled_again(redis: Redis, database: Database) -> None:
    seen: list[str] = []

    async def handle(events: Sequence[Event]) -> None:
        seen.extend(event.id for event in events)
        if len(seen) == 1:
            raise StoreUnavailableError("away")

    record = sale(1)
    await (await an_event_stream(redis)).publish([record])
    async with writing_receipts(redis, database, handle):
        await eventually(lambda: len(seen) >= 2)
    assert seen == [record.key, record.key]


async def test_an_event_that_is_redelivered_makes_one_mail(redis: Redis, database: Database) -> None:
    again = sale(1)
    async with writing_receipts(redis, database):
        await (await an_event_stream(redis)).publish([again, again, sale(2)])
        await reach(database, f"receipt:{1:024x}", f"receipt:{2:024x}")


async def test_events_after_a_loss_of_the_stream_are_read(redis: Redis, database: Database) -> None:
    async with writing_receipts(redis, database):
        await (await an_event_stream(redis)).publish([sale(1)])
        await reach(database, f"receipt:{1:024x}")
        await redis.flushall()
        await (await an_event_stream(redis, epoch="second")).publish([sale(2)])
        await reach(database, f"receipt:{1:024x}", f"receipt:{2:024x}")


async def test_a_new_subscription_does_not_write_about_last_week(redis: Redis, database: Database) -> None:
    async with writing_receipts(redis, database):
        await (await an_event_stream(redis)).publish([sale(1, at=NOW - receipts.OLDEST_MS - 1)])
        await (await an_event_stream(redis)).publish([sale(2)])
        await reach(database, f"receipt:{2:024x}")
