"""Sales and refunds reach the outbox through the event stream, each once, and across restarts."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from bson import ObjectId
from redis.asyncio import Redis

from actors.domain.ticket_events import OrderCancelled, OrderCompleted, OrderCreated
from actors.domain.ticket_values import CancelReason
from actors.events.redis_stream import RedisEventStream
from actors.events.subscription import StreamEvent, Subscription
from actors.mail import receipts
from actors.mail.outbox import Outbox
from actors.runtime.ports import RecordedEvent, StoreUnavailableError
from actors.storage.database import Database
from tests.mail.conftest import NOW
from tests.support.examples import SALE, START, creation, order_of, reservation, ticket_after


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
        yield redis


def sale(number: int, reason: CancelReason | None = None, at: int = NOW) -> RecordedEvent:
    order_id = f"{number:024x}"
    start, sell = replace(START, order_id=order_id), replace(SALE, order_id=order_id)
    ticket = ticket_after(creation(), reservation(order_id), start, sell)
    order = order_of(ticket)
    event = OrderCompleted(order) if reason is None else OrderCancelled(replace(order, cancel_reason=reason))
    return RecordedEvent(f"ticket:{ObjectId()}", 1, at, event)


async def mails(database: Database) -> set[str]:
    return {mail["_id"] async for mail in database["mails"].find()}


def subscription(redis: Redis, database: Database) -> Subscription:
    handle = receipts.Receipts(Outbox(database), lambda: NOW).handle
    return Subscription(receipts.NAME, receipts.TYPES, redis, database, handle)


async def drain(reader: Subscription) -> None:
    while await reader.step():
        pass


async def test_a_mail_is_written_about_a_sale_and_a_refund_and_nothing_else(redis: Redis, database: Database) -> None:
    refunded, cancelled = sale(2, CancelReason.REFUNDED), sale(3, CancelReason.BUYER)
    held = RecordedEvent("ticket:x", 1, NOW, OrderCreated(order_of(ticket_after(creation(), reservation()))))
    await RedisEventStream(redis).publish([sale(1), held, refunded, cancelled])
    await drain(subscription(redis, database))
    assert await mails(database) == {f"receipt:{1:024x}", f"refund:{2:024x}"}


async def test_a_mail_is_written_about_an_offer_of_the_waiting_list(redis: Redis, database: Database) -> None:
    order = replace(order_of(ticket_after(creation(), reservation(f"{4:024x}"))), offer=True)
    await RedisEventStream(redis).publish([RecordedEvent("ticket:x", 2, NOW, OrderCreated(order))])
    await drain(subscription(redis, database))
    assert await mails(database) == {f"offer:{4:024x}"}


async def test_events_read_before_the_checkpoint_are_not_read_again_after_a_restart(
    redis: Redis, database: Database
) -> None:
    stream = RedisEventStream(redis)
    await stream.publish([sale(1)])
    await drain(subscription(redis, database))
    await database["mails"].delete_many({})
    await stream.publish([sale(2)])
    await drain(subscription(redis, database))
    assert await mails(database) == {f"receipt:{2:024x}"}


async def test_a_batch_that_could_not_be_handled_is_redelivered(redis: Redis, database: Database) -> None:
    seen: list[Sequence[StreamEvent]] = []

    async def handle(events: Sequence[StreamEvent]) -> None:
        seen.append(events)
        if len(seen) == 1:
            raise StoreUnavailableError("away")

    await RedisEventStream(redis).publish([sale(1), sale(2)])
    reader = Subscription("test", receipts.TYPES, redis, database, handle)
    with pytest.raises(StoreUnavailableError):
        await reader.step()
    await reader.step()
    assert len(seen) == 2
    assert seen[0] == seen[1]


async def test_an_event_that_is_redelivered_makes_one_mail(redis: Redis, database: Database) -> None:
    await RedisEventStream(redis).publish([sale(1), sale(1)])
    await drain(subscription(redis, database))
    assert await mails(database) == {f"receipt:{1:024x}"}


async def test_events_after_a_loss_of_the_stream_are_read(redis: Redis, database: Database) -> None:
    stream = RedisEventStream(redis)
    await stream.publish([sale(1)])
    reader = subscription(redis, database)
    await drain(reader)
    await redis.flushall()
    await stream.publish([sale(2)])
    await drain(reader)
    assert await mails(database) == {f"receipt:{1:024x}", f"receipt:{2:024x}"}


async def test_a_new_subscription_does_not_write_about_last_week(redis: Redis, database: Database) -> None:
    await RedisEventStream(redis).publish([sale(1, at=NOW - receipts.OLDEST_MS - 1), sale(2)])
    await drain(subscription(redis, database))
    assert await mails(database) == {f"receipt:{2:024x}"}
