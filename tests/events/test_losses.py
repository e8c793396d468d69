"""What a durable does when Redis lost or removed something: gaps, trimmed streams, new epochs, outages."""

import asyncio
import logging
import shutil
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cli.up.embedded_servers import Server
from holdfast.events import From, InMemoryPositions, Message, Since, Subscription, connect, scripts
from holdfast.events.keys import missed_key
from holdfast.events.partitions import EPOCH_KEYS, STREAM_KEYS, partition_of
from tests.events.support.publisher import Publisher
from tests.events.support.reading import ids, next_message, nothing_comes, take
from tests.support.eventually import eventually

STREAM = STREAM_KEYS[partition_of("a")]


async def trim_all_but_last(bus: Redis) -> None:
    await bus.xtrim(STREAM, maxlen=1, approximate=False)


# Gaps


async def test_missing_events_of_an_entity_are_read_from_the_history_first(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one", history=publisher) as client,
        client.subscribe("ticket.*", durable="d") as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        publisher.make("ticket:a", "ticket.updated", version=3)  # committed, and not published
        publisher.make("ticket:a", "order.created")  # of no interest
        await publisher.tell("ticket:a", "ticket.withdrawn")
        messages = await take(subscription, 2)
        assert [(one.version, one.source) for one in messages] == [(3, "journal"), (5, "stream")]
        await eventually(lambda: _is_gone(bus, missed_key("d", partition_of("a"))))


async def _is_gone(bus: Redis, key: str) -> bool:
    return not await bus.exists(key)


async def test_missing_events_are_skipped_without_a_history(
    bus: Redis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        publisher.make("ticket:a", "ticket.updated")
        with caplog.at_level(logging.WARNING, "holdfast.events"):
            await publisher.tell("ticket:a", "ticket.withdrawn")
            assert [one.version for one in await take(subscription, 1)] == [3]
        assert subscription.missed == 1
        assert "no history" in caplog.text


async def _dead_in_a_gap(bus: Redis, publisher: Publisher) -> None:
    """A member dies that has version 2 in hand, and has noted that version 3 is missing before 4."""
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        dead = await client.subscribe(">", durable="d", ack_wait=1)
        await publisher.tell("ticket:a", "ticket.created")
        await take(dead, 1)
        await publisher.tell("ticket:a", "ticket.updated")
        await next_message(dead)
        publisher.make("ticket:a", "order.created")
        await publisher.tell("ticket:a", "ticket.withdrawn")
        await eventually(lambda: _is_there(bus, missed_key("d", partition_of("a"))))
        dead._cancel()


async def _is_there(bus: Redis, key: str) -> bool:
    return bool(await bus.exists(key))


async def test_what_was_in_hand_before_a_gap_is_handed_to_the_successor(bus: Redis, publisher: Publisher) -> None:
    await _dead_in_a_gap(bus, publisher)
    async with (
        connect(redis=bus, client_id="two", history=publisher) as client,
        client.subscribe(">", durable="d", queue_group="d", ack_wait=1) as subscription,
    ):
        assert [one.version for one in await take(subscription, 3)] == [2, 3, 4]
        await eventually(lambda: _is_gone(bus, missed_key("d", partition_of("a"))))


async def test_gap_of_a_group_that_was_lost_is_forgotten(bus: Redis, publisher: Publisher) -> None:
    await _dead_in_a_gap(bus, publisher)
    await publisher.begin_epoch("epoch-2")
    async with (
        connect(redis=bus, client_id="two", history=publisher) as client,
        client.subscribe(">", durable="d", queue_group="d", deliver="all", ack_wait=1) as subscription,
    ):
        assert [one.version for one in await take(subscription, 4)] == [1, 2, 3, 4]


async def test_versions_of_internal_events_are_no_gap(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one", history=publisher) as client,
        client.subscribe(">", durable="d") as subscription,
    ):
        await publisher.publish(publisher.make("charge:a", "charge.created"))
        await publisher.publish(publisher.make("charge:a", "charge.completed", version=5))
        assert [one.version for one in await take(subscription, 2)] == [1, 5]
        assert publisher.asked == []


async def test_successor_of_a_member_that_died_in_a_gap_reads_it_again(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        dead = await client.subscribe(">", durable="d", ack_wait=1)
        await publisher.tell("ticket:a", "ticket.created")
        await take(dead, 1)
        publisher.make("ticket:a", "ticket.updated")
        await publisher.tell("ticket:a", "ticket.withdrawn")
        assert (await next_message(dead)).source == "journal"
        dead._cancel()  # as a process that is killed
        async with client.subscribe(">", durable="d", ack_wait=1) as successor:
            assert [(one.version, one.source) for one in await take(successor, 2)] == [(2, "journal"), (3, "stream")]


async def test_other_partitions_go_on_while_the_history_is_away(bus: Redis, publisher: Publisher) -> None:
    other = next(name for name in "bcdefgh" if partition_of(name) != partition_of("a"))
    async with (
        connect(redis=bus, client_id="one", history=publisher) as client,
        client.subscribe(">", durable="d") as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        await take(subscription, 1)
        publisher.answers = False
        publisher.make("ticket:a", "ticket.updated")
        await publisher.tell("ticket:a", "ticket.withdrawn")
        await eventually(lambda: bool(publisher.asked))
        await publisher.tell(f"ticket:{other}", "ticket.created")
        assert ids(await take(subscription, 1)) == [f"ticket:{other}:1"]
        publisher.answers = True
        assert ids(await take(subscription, 2)) == ["ticket:a:2", "ticket:a:3"]


# Trimmed streams


async def test_stream_trimmed_below_a_slow_group_is_read_from_the_history(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        async with client.subscribe(">", durable="d", max_in_flight=1) as subscription:
            await publisher.tell("ticket:a", "ticket.created")
            await take(subscription, 1)
        for number in range(20):
            await publisher.publish(publisher.make(f"ticket:{number}", "ticket.created", key="a"))
        await trim_all_but_last(bus)
        async with client.subscribe(">", durable="d", max_in_flight=4) as subscription:
            messages = await take(subscription, 20)
            assert {one.id for one in messages if one.source == "journal"} >= {f"ticket:{n}:1" for n in range(19)}
            assert "ticket:19:1" in ids(messages + await _rest(subscription))
            await publisher.tell("ticket:a", "ticket.updated")
            assert ids(await take(subscription, 1)) == ["ticket:a:2"]


async def _rest(subscription: Subscription) -> list[Message]:
    messages: list[Message] = []
    while True:
        try:
            messages += await take(subscription, 1, 0.5)
        except TimeoutError:
            return messages


async def test_trimmed_events_are_lost_without_the_look_at_the_first_entry(
    bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "READ", scripts.READ.replace("if ARGV[6] ~= '' then", "if false then"))
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        async with client.subscribe(">", durable="d") as subscription:
            await publisher.tell("ticket:a", "ticket.created")
            await take(subscription, 1)
        for number in range(20):
            await publisher.publish(publisher.make(f"ticket:{number}", "ticket.created", key="a"))
        await trim_all_but_last(bus)
        async with client.subscribe(">", durable="d") as subscription:
            assert ids(await take(subscription, 1)) == ["ticket:19:1"]
            assert await nothing_comes(subscription)


async def test_stream_that_was_trimmed_altogether_is_read_from_the_history(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        async with client.subscribe(">", durable="d") as subscription:
            await publisher.tell("ticket:a", "ticket.created")
            await take(subscription, 1)
        await publisher.tell("ticket:a", "ticket.updated", "ticket.withdrawn")
        await bus.xtrim(STREAM, maxlen=0, approximate=False)
        async with client.subscribe(">", durable="d") as subscription:
            assert ids(await take(subscription, 3)) == ["ticket:a:1", "ticket:a:2", "ticket:a:3"]


async def test_what_is_still_pending_comes_after_what_was_trimmed_before_it(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        dead = await client.subscribe(">", durable="d", ack_wait=1)
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        await next_message(dead)
        dead._cancel()
        await trim_all_but_last(bus)
    async with (
        connect(redis=bus, client_id="two", history=publisher) as client,
        client.subscribe(">", durable="d", ack_wait=1, queue_group="d") as subscription,
    ):
        assert ids(await take(subscription, 2)) == ["ticket:a:1", "ticket:a:2"]


async def test_events_trimmed_while_pending_are_read_from_the_history(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one", history=publisher) as client:
        dead = await client.subscribe(">", durable="d", ack_wait=1)
        await publisher.tell("ticket:a", "ticket.created")
        await next_message(dead)
        dead._cancel()
        await publisher.publish(publisher.make("ticket:b", "ticket.created", key="a"))
        await trim_all_but_last(bus)
        async with client.subscribe(">", durable="d", ack_wait=1) as subscription:
            messages = await take(subscription, 2)
            assert ids(messages) == ["ticket:a:1", "ticket:b:1"]
            assert messages[0].source == "journal"
            await eventually(lambda: _has_no_pending(bus))


async def _has_no_pending(bus: Redis) -> bool:
    return bool((await bus.xpending(STREAM, "d"))["pending"] == 0)


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
    await trim_all_but_last(bus)
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
