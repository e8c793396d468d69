"""What a durable does when its stream lacks something: gaps of an entity, and entries that were trimmed."""

import logging

import pytest
from redis.asyncio import Redis

from holdfast.events import Message, Subscription, connect, scripts
from holdfast.events.keys import missed_key
from holdfast.events.partitions import STREAM_KEYS, partition_of
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


@pytest.mark.parametrize("left", [0, 1])
async def test_what_was_in_hand_before_a_gap_is_handed_to_the_successor_though_it_was_trimmed(
    bus: Redis, publisher: Publisher, left: int
) -> None:
    await _dead_in_a_gap(bus, publisher)
    await bus.xtrim(STREAM, maxlen=left, approximate=False)
    async with (
        connect(redis=bus, client_id="two", history=publisher) as client,
        client.subscribe(">", durable="d", queue_group="d", ack_wait=1) as subscription,
    ):
        assert [one.version for one in await take(subscription, 4)] == [1, 2, 3, 4]
        assert await nothing_comes(subscription)


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
