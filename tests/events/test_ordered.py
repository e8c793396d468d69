"""An ordered durable: order per entity, side by side otherwise, redelivery, leases."""

import asyncio
import logging

import pytest
from redis.asyncio import Redis

from holdfast.events import ClientIdInUseError, DurableInUseError, Subscription, connect, scripts
from holdfast.events.keys import lease_key, members_key
from holdfast.events.partitions import PARTITIONS, STREAM_KEYS, partition_of
from tests.events.support.publisher import Publisher
from tests.events.support.reading import ids, next_message, nothing_comes, take
from tests.support.eventually import eventually


async def test_events_published_after_a_durable_was_made_are_handed_over_in_order(
    bus: Redis, publisher: Publisher
) -> None:
    await publisher.tell("ticket:a", "ticket.created")
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        published = await publisher.tell("ticket:a", "ticket.updated", "order.created", "order.completed")
        messages = await take(subscription, 3)
        assert ids(messages) == [event.id for event in published]
        assert [message.subject for message in messages] == ["ticket.updated", "order.created", "order.completed"]
        assert messages[0].data == {"version": 2}
        assert messages[0].deliveries == 1
        assert messages[0].epoch == "epoch-1"
        assert await subscription.lag() == 0


async def test_durable_goes_on_where_it_stopped(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client:
        async with client.subscribe(">", durable="d") as subscription:
            await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
            await take(subscription, 1)
        await publisher.tell("ticket:a", "ticket.withdrawn")
        async with client.subscribe(">", durable="d") as subscription:
            assert [message.version for message in await take(subscription, 2)] == [2, 3]
            assert await nothing_comes(subscription)


async def test_next_event_of_an_entity_waits_for_the_ack_while_other_entities_go_on(
    bus: Redis, publisher: Publisher
) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        first = await next_message(subscription)
        # Of the same ticket's partition, but another entity.
        await publisher.publish(publisher.make("charge:c", "charge.created", key="a"))
        assert (await next_message(subscription)).entity == "charge:c"
        assert await nothing_comes(subscription)
        assert await first.ack()
        assert (await next_message(subscription)).id == "ticket:a:2"


async def test_order_is_lost_without_lanes(bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "holdfast.events.partition.Partition._lane_of", lambda _, entry: f"{entry.stream} {entry.entry_id}"
    )
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        await next_message(subscription)
        assert (await next_message(subscription)).id == "ticket:a:2"


async def test_only_subscribed_subjects_are_handed_over(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(["order.*", "charge.>"], durable="d") as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created", "order.created", "waiting_list.joined", "order.completed")
        assert [message.version for message in await take(subscription, 2)] == [2, 4]
        await eventually(lambda: _is_all_acknowledged(bus, "d"))


async def _is_all_acknowledged(bus: Redis, group: str) -> bool:
    pending = [await bus.xpending(stream, group) for stream in STREAM_KEYS]
    return all(one["pending"] == 0 for one in pending)


async def test_max_in_flight_bounds_what_redis_has_given(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", max_in_flight=5) as subscription,
    ):
        await publisher.publish(*(publisher.make(f"ticket:{one}", "ticket.created") for one in range(40)))
        held = [await next_message(subscription) for _ in range(5)]
        assert await nothing_comes(subscription)
        pending = [await bus.xpending(stream, "d") for stream in STREAM_KEYS]
        assert sum(one["pending"] for one in pending) == 5
        for message in held:
            await message.ack()
        await take(subscription, 35)


# Redelivery


async def test_nak_delivers_again_after_its_delay_while_others_go_on(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        message = await next_message(subscription)
        began = asyncio.get_running_loop().time()
        assert await message.nak(0.4)
        await publisher.tell("ticket:b", "ticket.created")
        assert [(one.id, one.deliveries) for one in await take(subscription, 3)] == [
            ("ticket:b:1", 1),
            ("ticket:a:1", 2),
            ("ticket:a:2", 1),
        ]
        assert asyncio.get_running_loop().time() - began >= 0.4
        assert not await message.ack()


async def test_nak_without_a_delay_follows_the_backoff(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", backoff=(0.1, 0.5)) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        waits = []
        for _ in range(3):
            message = await next_message(subscription)
            began = asyncio.get_running_loop().time()
            await message.nak()
            await eventually(lambda: bool(subscription._deliveries._ready))
            waits.append(asyncio.get_running_loop().time() - began)
    assert 0.1 <= waits[0] < 0.5
    assert waits[1] >= 0.5
    assert waits[2] >= 0.5


async def test_message_that_is_not_acknowledged_in_time_is_delivered_again(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", ack_wait=0.3, backoff=(0,)) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        first = await next_message(subscription)
        second = await next_message(subscription)
        assert (second.id, second.deliveries) == (first.id, 2)
        assert not await first.ack()
        assert await second.ack()


async def test_message_in_progress_is_not_delivered_again(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", ack_wait=0.4, backoff=(0,)) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created")
        message = await next_message(subscription)
        for _ in range(4):
            assert await nothing_comes(subscription, 0.25)
            assert await message.in_progress()
        assert await message.ack()
        await publisher.tell("ticket:a", "ticket.updated")
        assert (await next_message(subscription)).version == 2


# Members


@pytest.mark.usefixtures("publisher")
async def test_two_members_share_the_partitions_fairly(bus: Redis) -> None:
    async with (
        connect(redis=bus, client_id="one") as first,
        connect(redis=bus, client_id="two") as second,
        first.subscribe(">", durable="d", queue_group="d", ack_wait=1) as one,
    ):
        await eventually(lambda: len(_partitions(one)) == PARTITIONS)
        async with second.subscribe(">", durable="d", queue_group="d", ack_wait=1) as two:
            await eventually(lambda: len(_partitions(one)) == len(_partitions(two)) == PARTITIONS // 2)
            assert not set(_partitions(one)) & set(_partitions(two))
        await eventually(lambda: len(_partitions(one)) == PARTITIONS)


def _partitions(subscription: Subscription) -> list[int]:
    return [one.number for one in subscription._partitions.values() if not one.is_busy and not one.is_draining]  # type: ignore[attr-defined]


async def test_lease_is_given_up_only_after_the_message_in_hand(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as first,
        connect(redis=bus, client_id="two") as second,
        first.subscribe(">", durable="d", queue_group="d", ack_wait=2) as one,
    ):
        await publisher.publish(*(publisher.make(f"ticket:{number}", "ticket.created") for number in range(60)))
        held = [await next_message(one) for _ in range(60)]
        async with second.subscribe(">", durable="d", queue_group="d", ack_wait=2) as two:
            await eventually(lambda: any(part.is_draining for part in one._partitions.values()))  # type: ignore[attr-defined]
            assert await nothing_comes(two)
            in_hand = {partition_of(message.event.partition_key) for message in held}
            assert not in_hand & set(_partitions(two))
            assert all([await message.ack() for message in held])
            await eventually(lambda: len(_partitions(two)) == PARTITIONS // 2)
            assert await nothing_comes(two)


@pytest.mark.usefixtures("publisher")
async def test_second_living_member_with_the_same_client_id_is_refused(bus: Redis) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", queue_group="d", ack_wait=0.5),
    ):
        with pytest.raises(ClientIdInUseError, match="client id one"):
            await client.subscribe(">", durable="d", queue_group="d", ack_wait=0.5)
        async with client.subscribe(">", durable="another", queue_group="another"):
            assert await bus.zrange(members_key("another"), 0, -1) == [b"one"]


@pytest.mark.usefixtures("publisher")
async def test_second_member_of_a_durable_without_a_queue_group_is_refused(bus: Redis) -> None:
    async with (
        connect(redis=bus, client_id="one") as first,
        connect(redis=bus, client_id="two") as second,
        first.subscribe(">", durable="d", ack_wait=0.5),
    ):
        with pytest.raises(DurableInUseError, match="queue_group"):
            await second.subscribe(">", durable="d", ack_wait=0.5)


async def test_restarted_member_takes_the_place_of_its_dead_self(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client:
        dead = await client.subscribe(">", durable="d", ack_wait=1)
        await publisher.tell("ticket:a", "ticket.created")
        message = await next_message(dead)
        dead._cancel()  # as a process that is killed: nothing is handed back
        async with client.subscribe(">", durable="d", ack_wait=1) as subscription:
            again = await next_message(subscription)
            assert (again.id, again.deliveries) == (message.id, 2)
            assert not await message.ack()
            assert await again.ack()


async def test_former_member_neither_reads_nor_acknowledges_after_its_lease(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await publisher.tell("ticket:a", "ticket.created")
        message = await next_message(subscription)
        number = partition_of("a")
        await bus.set(lease_key("d", number), "another:token")
        await publisher.tell("ticket:a", "ticket.updated")
        await eventually(lambda: number not in subscription._partitions)  # type: ignore[attr-defined]
        assert not await message.ack()
        assert (await bus.xpending(STREAM_KEYS[number], "d"))["pending"] == 1


async def test_former_member_takes_entries_from_its_successor_without_the_leases_value(
    bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.events.scripts.READ", _read_without_lease())
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        number = partition_of("a")
        await eventually(lambda: len(_partitions(subscription)) == PARTITIONS)
        await bus.set(lease_key("d", number), "another:token")
        await publisher.tell("ticket:a", "ticket.created")
        assert (await next_message(subscription)).id == "ticket:a:1"


def _read_without_lease() -> str:
    return scripts.READ.replace(
        "if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[2] then return {'lost'} end", ""
    )


async def test_drain_waits_for_what_is_in_hand_and_hands_the_rest_back(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client:
        subscription = await client.subscribe(">", durable="d")
        await publisher.publish(*(publisher.make(f"ticket:{number}", "ticket.created") for number in range(10)))
        message = await next_message(subscription)
        draining = asyncio.create_task(subscription.drain())
        await asyncio.sleep(0)
        assert await nothing_comes(subscription)
        assert not draining.done()
        assert await message.ack()
        await draining
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
        async with client.subscribe(">", durable="d") as successor:
            messages = await take(successor, 9)
    assert {one.deliveries for one in messages} == {1}
    assert message.id not in ids(messages)


async def test_entries_of_an_answer_that_never_arrived_are_handed_over_in_order(
    bus: Redis, publisher: Publisher
) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        await eventually(lambda: len(_partitions(subscription)) == PARTITIONS)
        async with bus.pipeline(transaction=True) as pipe:  # read under this member's name, and not given to it
            event = publisher.make("ticket:a", "ticket.created")
            fields = event.in_epoch("epoch-1").fields()
            stream = STREAM_KEYS[partition_of("a")]
            pipe.xadd(stream, dict(zip(fields[::2], fields[1::2], strict=True)))
            pipe.xreadgroup("d", "one", {stream: ">"})
            await pipe.execute()
        await publisher.tell("ticket:a", "ticket.updated")
        assert [message.version for message in await take(subscription, 2)] == [1, 2]


async def test_cancelled_wait_for_a_message_loses_none(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        for version in range(1, 6):
            assert await nothing_comes(subscription, 0.02)
            await publisher.tell("ticket:a", "ticket.updated")
            assert [message.version for message in await take(subscription, 1)] == [version]


async def test_repeats_in_the_stream_are_handed_over_once(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        events = await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        await publisher.publish(*events)
        await publisher.tell("ticket:a", "ticket.withdrawn")
        assert [message.version for message in await take(subscription, 3)] == [1, 2, 3]
        await publisher.publish(*events)
        assert await nothing_comes(subscription)


async def test_entry_that_is_no_event_is_passed_over(
    bus: Redis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(redis=bus, client_id="one") as client, client.subscribe(">", durable="d") as subscription:
        with caplog.at_level(logging.WARNING, "holdfast.events"):
            await bus.xadd(STREAM_KEYS[partition_of("a")], {"x": "y"})
            await publisher.tell("ticket:a", "ticket.created")
            assert ids(await take(subscription, 1)) == ["ticket:a:1"]
        assert "is no event" in caplog.text
        await eventually(lambda: _is_all_acknowledged(bus, "d"))
