"""What a durable does when Redis lost what it had or is away, and where a new one begins."""

import asyncio
import logging
import shutil
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cli.up.embedded_servers import Server
from holdfast.events import From, InMemoryPositions, Since, connect
from holdfast.events.partitions import EPOCH_KEYS, STREAM_KEYS, partition_of
from tests.events.support.publisher import Publisher
from tests.events.support.reading import ids, next_message, nothing_comes, take
from tests.support.eventually import eventually

STREAM = STREAM_KEYS[partition_of("a")]


# New epochs


async def test_redis_that_was_emptied_and_filled_again_costs_no_event(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        await take(subscription, 1)
        in_hand = await next_message(subscription)
        await bus.flushall()
        missed = publisher.make("ticket:b", "ticket.created")
        await publisher.begin_epoch("epoch-2")
        await publisher.tell("ticket:a", "ticket.withdrawn")
        messages = await take(subscription, 3)
        assert {one.id for one in messages} == {in_hand.id, missed.id, "ticket:a:3"}
        assert messages[-1].epoch == "epoch-2"
        assert not await in_hand.ack()
        assert await nothing_comes(subscription)


async def test_events_are_handled_again_in_a_new_epoch_without_marks(
    bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.events.partition.MARKS", 0)
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        await publisher.begin_epoch("epoch-2")
        assert ids(await take(subscription, 1)) == ["ticket:a:1"]


async def test_what_is_handed_over_again_while_the_group_is_lost_comes_in_the_new_epoch(
    bus: Redis, publisher: Publisher
) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        in_hand = await next_message(subscription)
        await bus.flushall()
        await in_hand.nak(0)
        assert await nothing_comes(subscription)
        await publisher.begin_epoch("epoch-2")
        assert ids(await take(subscription, 1)) == ["ticket:a:1"]


async def test_new_epoch_whose_ids_are_lower_is_noticed(bus: Redis, publisher: Publisher) -> None:
    """As after a Redis whose clock was set back, or that began from an older dump."""
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        publisher.epoch = "epoch-2"
        event = publisher.make("ticket:a", "ticket.updated")
        fields = event.in_epoch("epoch-2").fields()
        async with bus.pipeline(transaction=True) as pipe:
            pipe.delete(STREAM)
            pipe.set(EPOCH_KEYS[partition_of("a")], "epoch-2")
            pipe.xadd(STREAM, dict(zip(fields[::2], fields[1::2], strict=True)), id="5-0")
            await pipe.execute()
        assert ids(await take(subscription, 1)) == ["ticket:a:2"]


async def test_lower_ids_are_not_heard_of_without_the_epoch(
    bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("holdfast.events.reading.Reader._look_for_new_epochs", nothing)
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        await bus.delete(STREAM)
        fields = publisher.make("ticket:a", "ticket.updated").fields()
        await bus.xadd(STREAM, dict(zip(fields[::2], fields[1::2], strict=True)), id="5-0")
        assert await nothing_comes(subscription)


async def test_durable_that_its_store_knows_is_not_new_after_redis_lost_it(bus: Redis, publisher: Publisher) -> None:
    positions = InMemoryPositions()
    async with (
        connect(redis=bus, client_id="one", positions=positions) as client,
        client.subscribe(">", durable="d") as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
    await bus.flushall()
    missed = publisher.make("ticket:b", "ticket.created")
    await publisher.begin_epoch("epoch-2")
    async with (
        connect(redis=bus, client_id="two", positions=positions) as client,
        client.subscribe(">", durable="d", deliver="new") as subscription,
    ):
        assert missed.id in ids(await take(subscription, 2))


async def test_events_are_missed_after_redis_was_lost_without_a_kept_position(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
    await bus.flushall()
    await publisher.begin_epoch("epoch-2")
    async with (
        connect(redis=bus, client_id="two") as client,
        client.subscribe(">", durable="d", deliver="new") as subscription,
    ):
        assert await nothing_comes(subscription)


async def test_durable_that_was_away_longer_than_the_stream_reaches_back_reads_the_history(
    bus: Redis, publisher: Publisher
) -> None:
    positions = InMemoryPositions()
    async with (
        connect(redis=bus, client_id="one", positions=positions) as client,
        client.subscribe(">", durable="d") as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
    await bus.flushall()
    publisher.make("ticket:a", "ticket.updated")
    publisher.now_ms += 48 * 3_600_000
    publisher.make("ticket:a", "ticket.withdrawn")
    await publisher.begin_epoch("epoch-2", republish_from=2)  # a window of a day
    async with (
        connect(redis=bus, client_id="two", positions=positions, history=publisher) as client,
        client.subscribe(">", durable="d") as subscription,
    ):
        assert ids(await take(subscription, 3)) == ["ticket:a:1", "ticket:a:2", "ticket:a:3"]


# Redis is away


async def test_consumer_outlives_an_outage_and_says_so_once(
    bus_server: Server, bus: Redis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        connect(bus_server.url, client_id="one") as client,
        client.subscribe(">", durable="d", ack_wait=10) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        message = await next_message(subscription)
        with caplog.at_level(logging.WARNING, "holdfast.events"):
            await asyncio.to_thread(bus_server.stop)
            acknowledging = asyncio.create_task(message.ack())
            await eventually(lambda: "does not answer" in caplog.text)
            await asyncio.to_thread(bus_server.restart)
            assert await acknowledging
        await bus.connection_pool.disconnect(inuse_connections=False)
        await publisher.tell("ticket:a", "ticket.updated")
        assert ids(await take(subscription, 1)) == ["ticket:a:2"]
    assert caplog.text.count("Redis does not answer") == 1
    assert caplog.text.count("Redis answers again") == 1


# Where a new durable begins


async def test_all_begins_with_what_the_stream_has(bus: Redis, publisher: Publisher) -> None:
    await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", deliver="all") as subscription,
    ):
        assert ids(await take(subscription, 2)) == ["ticket:a:1", "ticket:a:2"]


async def test_since_an_instant_begins_with_the_first_event_committed_then(bus: Redis, publisher: Publisher) -> None:
    events = await publisher.tell("ticket:a", *["ticket.updated"] * 250)
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", deliver=Since(events[200].time_ms)) as subscription,
    ):
        assert [one.version for one in await take(subscription, 50)] == list(range(201, 251))


async def test_since_an_instant_before_the_stream_begins_reads_the_history_first(
    bus: Redis, publisher: Publisher
) -> None:
    events = await publisher.tell("ticket:a", "ticket.created", "ticket.updated", "ticket.withdrawn")
    await bus.xtrim(STREAM, maxlen=1, approximate=False)
    async with (
        connect(redis=bus, client_id="one", history=publisher) as client,
        client.subscribe(">", durable="d", deliver=Since(events[1].time_ms)) as subscription,
    ):
        messages = await take(subscription, 2)
        assert [one.version for one in messages] == [2, 3]
        assert messages[0].source == "journal"
        assert await nothing_comes(subscription)


async def test_from_an_event_begins_with_it(bus: Redis, publisher: Publisher) -> None:
    await publisher.tell("ticket:a", "ticket.created", "ticket.updated", "ticket.withdrawn")
    async with (
        connect(redis=bus, client_id="one", history=publisher) as client,
        client.subscribe(">", durable="d", deliver=From("ticket:a", 2)) as subscription,
    ):
        assert ids(await take(subscription, 2)) == ["ticket:a:2", "ticket:a:3"]
    async with connect(redis=bus, client_id="one") as client:
        with pytest.raises(ValueError, match="history"):
            await client.subscribe(">", durable="another", deliver=From("ticket:a", 2))


async def test_redis_that_began_again_from_an_older_state_costs_no_event(
    bus_server: Server, bus: Redis, publisher: Publisher, tmp_path: Path
) -> None:
    data = bus_server._folder / "redis"
    async with (
        connect(bus_server.url, client_id="one") as client,
        client.subscribe(">", durable="d", ack_wait=2) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        await asyncio.to_thread(bus_server.stop)
        await asyncio.to_thread(shutil.copytree, data, tmp_path / "older")
        await asyncio.to_thread(bus_server.restart)
        await bus.connection_pool.disconnect(inuse_connections=False)
        await publisher.tell("ticket:a", "ticket.updated", "ticket.updated")
        await take(subscription, 2)
        await publisher.tell("ticket:b", "ticket.created", "ticket.updated")
        in_hand = await next_message(subscription)
        await asyncio.to_thread(bus_server.stop)
        await asyncio.to_thread(shutil.rmtree, data)
        await asyncio.to_thread(shutil.copytree, tmp_path / "older", data)
        await asyncio.to_thread(bus_server.restart)
        await bus.connection_pool.disconnect(inuse_connections=False)
        await publisher.begin_epoch("epoch-2")
        handled = ids(await take(subscription, 2))
        assert handled == [in_hand.id, "ticket:b:2"]
        assert await nothing_comes(subscription)
