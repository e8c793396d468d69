"""A subscription without a durable, as live pages have it."""

import asyncio

import pytest
from redis.asyncio import Redis

from holdfast.events import EphemeralSubscription, From, Message, Since, connect
from holdfast.events.partitions import STREAM_KEYS, partition_of
from tests.events.support.publisher import Publisher


async def take(subscription: EphemeralSubscription, count: int) -> list[str]:
    """The ids of so many messages, or `gap`."""
    async with asyncio.timeout(10):
        found = [await anext(subscription) for _ in range(count)]
    return [one.id if isinstance(one, Message) else "gap" for one in found]


async def nothing_comes(subscription: EphemeralSubscription) -> bool:
    try:
        async with asyncio.timeout(0.3):
            await anext(subscription)
    except TimeoutError:
        return True
    return False


async def test_new_events_come_once_and_leave_no_group(bus: Redis, publisher: Publisher) -> None:
    await publisher.tell("ticket:a", "ticket.created")
    async with connect(redis=bus, client_id="one") as client, client.subscribe("order.*") as subscription:
        events = await publisher.tell("ticket:a", "order.created", "ticket.updated", "order.completed")
        await publisher.publish(*events)
        message = await anext(subscription)
        assert isinstance(message, Message)
        assert message.id == "ticket:a:2"
        assert await message.ack()
        assert await take(subscription, 1) == ["ticket:a:4"]
        assert await nothing_comes(subscription)
        assert await bus.xinfo_groups(STREAM_KEYS[partition_of("a")]) == []


async def test_new_epoch_is_a_gap_after_which_new_events_follow(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        assert await take(subscription, 1) == ["ticket:a:1"]
        await publisher.begin_epoch("epoch-2")
        assert await take(subscription, 1) == ["gap"]
        await publisher.tell("ticket:a", "ticket.updated")
        assert await take(subscription, 1) == ["ticket:a:2"]
        assert await nothing_comes(subscription)


async def test_window_that_is_published_again_after_a_gap_is_not_new(bus: Redis, publisher: Publisher) -> None:
    await publisher.tell("ticket:old", "ticket.created")
    publisher.now_ms += 3_600_000
    await publisher.tell("ticket:a", "ticket.created")
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">") as subscription:
        await bus.flushall()
        assert await take(subscription, 1) == ["gap"]
        await publisher.begin_epoch("epoch-2")
        assert await take(subscription, 1) == ["gap"]
        await publisher.publish(publisher.journal[0])
        await publisher.tell("ticket:a", "ticket.updated")
        assert "ticket:a:2" in await take(subscription, 1)


async def test_stream_trimmed_below_a_slow_reader_is_a_gap(
    bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.events.ephemeral._CAUGHT_UP_SECONDS", -1)
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        assert await take(subscription, 1) == ["ticket:a:1"]
        await publisher.tell("ticket:a", "ticket.updated", "ticket.updated")
        await bus.xtrim(STREAM_KEYS[partition_of("a")], maxlen=1, approximate=False)
        assert await take(subscription, 1) == ["gap"]


async def test_from_an_event_goes_on_behind_what_a_page_has_seen(bus: Redis, publisher: Publisher) -> None:
    await publisher.tell("ticket:a", "ticket.created", "ticket.updated", "ticket.withdrawn")
    async with (
        connect(redis=bus, client_id="one", history=publisher) as client,
        client.subscribe(">", deliver=From("ticket:a", 2)) as subscription,
    ):
        assert await take(subscription, 2) == ["ticket:a:2", "ticket:a:3"]


async def test_since_an_instant_before_the_stream_begins_reads_the_history_first(
    bus: Redis, publisher: Publisher
) -> None:
    events = await publisher.tell("ticket:a", "ticket.created", "ticket.updated", "ticket.withdrawn")
    await bus.xtrim(STREAM_KEYS[partition_of("a")], maxlen=1, approximate=False)
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        async with client.subscribe(">", deliver=Since(events[1].time_ms)) as subscription:
            message = await anext(subscription)
            assert isinstance(message, Message)
            assert (message.id, message.source) == ("ticket:a:2", "journal")
            assert await take(subscription, 1) == ["ticket:a:3"]
            assert await nothing_comes(subscription)
        async with client.subscribe(">", deliver="all") as subscription:
            assert await take(subscription, 1) == ["ticket:a:3"]
