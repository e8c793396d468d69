"""An unordered durable: any member, any order."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from holdfast.events import Subscription, connect
from holdfast.events.group_commands import GroupCommands
from holdfast.events.partitions import STREAM_KEYS, partition_of
from tests.events.support.publisher import Publisher
from tests.events.support.reading import ids, next_message, nothing_comes, take
from tests.support.eventually import eventually


async def test_members_share_the_events_of_one_entity(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as first,
        connect(redis=bus, client_id="two") as second,
        first.subscribe(">", durable="d", queue_group="d", ordered=False, max_in_flight=5) as one,
        second.subscribe(">", durable="d", queue_group="d", ordered=False, max_in_flight=5) as two,
    ):
        await publisher.tell("ticket:a", *["ticket.updated"] * 10)
        held = [await next_message(one) for _ in range(5)] + [await next_message(two) for _ in range(5)]
        assert {message.version for message in held} == set(range(1, 11))
        assert all([await message.ack() for message in held])
        assert await nothing_comes(one)


async def test_what_a_silent_member_had_is_claimed_after_ack_wait(bus: Redis, publisher: Publisher) -> None:
    async with connect(redis=bus, client_id="one") as first, connect(redis=bus, client_id="two") as second:
        silent = await first.subscribe(">", durable="d", queue_group="d", ordered=False, ack_wait=1)
        await publisher.tell("ticket:a", "ticket.created")
        message = await next_message(silent)
        silent._cancel()  # as a process that is stopped
        async with second.subscribe(">", durable="d", queue_group="d", ordered=False, ack_wait=1) as other:
            again = await next_message(other)
            assert (again.id, again.deliveries) == (message.id, 2)
            assert not await message.ack()
            assert await again.ack()


async def claimed_from_a_slow_handler(bus: Redis, publisher: Publisher) -> list[str]:
    """Handle four messages one after the other, which takes longer than ack_wait; return what an idle member got."""

    async def claim(idle: Subscription) -> list[str]:
        return [message.id async for message in idle]

    async def has_read() -> bool:
        pending = await bus.xpending(STREAM_KEYS[partition_of("a")], "d")
        return bool(pending["pending"] == 4)

    async with (
        connect(redis=bus, client_id="one") as first,
        connect(redis=bus, client_id="two") as second,
        first.subscribe(">", durable="d", queue_group="d", ordered=False, ack_wait=1) as slow,
    ):
        await publisher.tell("ticket:a", *["ticket.updated"] * 4)
        message = await next_message(slow)
        await eventually(has_read)
        async with second.subscribe(">", durable="d", queue_group="d", ordered=False, ack_wait=1) as idle:
            claiming = asyncio.create_task(claim(idle))
            for left in (3, 2, 1, 0):
                await asyncio.sleep(0.5)  # the work
                await message.ack()
                if left:
                    message = await next_message(slow)
        return await claiming


async def test_messages_that_wait_for_a_slow_handler_are_not_claimed(bus: Redis, publisher: Publisher) -> None:
    assert await claimed_from_a_slow_handler(bus, publisher) == []


async def test_messages_that_wait_are_claimed_without_new_idle_times(
    bus: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_overdue = GroupCommands.claim_overdue

    async def nothing(*_: object) -> None:
        await asyncio.sleep(0)

    async def claim_of_others(self: GroupCommands, stream: str, idle_ms: int, count: int) -> list[Any]:
        """To claim what one has already begins its idle time anew as well."""
        return [] if self.client_id == "one" else await claim_overdue(self, stream, idle_ms, count)

    monkeypatch.setattr(GroupCommands, "touch", nothing)
    monkeypatch.setattr(GroupCommands, "claim_overdue", claim_of_others)
    assert await claimed_from_a_slow_handler(bus, publisher) != []


async def test_nak_and_new_epochs_work_without_order(bus: Redis, publisher: Publisher) -> None:
    async with (
        connect(redis=bus, client_id="one") as client,
        client.subscribe(">", durable="d", ordered=False) as subscription,
    ):
        await publisher.tell("ticket:a", "ticket.created", "ticket.updated")
        first, second = await next_message(subscription), await next_message(subscription)
        await first.nak(0.1)
        assert await second.ack()
        again = await next_message(subscription)
        assert (again.id, again.deliveries) == ("ticket:a:1", 2)
        assert await again.ack()
        await bus.flushall()
        missed = publisher.make("ticket:b", "ticket.created")
        await publisher.begin_epoch("epoch-2")
        assert ids(await take(subscription, 1)) == [missed.id]
        assert await nothing_comes(subscription)
