"""What is acknowledged at the same moment goes to Redis together, and each acknowledgement has its own answer."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from holdfast.events.group_commands import GroupCommands
from holdfast.events.keys import lease_key
from holdfast.events.partition import Partition
from holdfast.events.patience import GroupMissingError, Patience

GROUP, STREAM = "group", "stream"


def commands_of(redis: Redis) -> GroupCommands:
    return GroupCommands(redis, Patience("Redis"), GROUP, "member")


def partition_with(lease: str = "") -> Partition:
    return Partition(0, lease)


async def pending_entries(bus: Redis, count: int) -> list[str]:
    """Entries of a stream that were handed to a member of the group."""
    await bus.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    ids: list[Any] = [await bus.xadd(STREAM, {"n": number}) for number in range(count)]
    await bus.xreadgroup(GROUP, "member", {STREAM: ">"})
    return [entry_id.decode() for entry_id in ids]


async def test_acknowledgements_of_one_moment_are_one_round_trip(bus: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await pending_entries(bus, 20)
    made: list[Any] = []
    rightly = bus.pipeline

    def pipeline(**options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        made.append(rightly(**options))
        return made[-1]

    monkeypatch.setattr(bus, "pipeline", pipeline)
    commands, partition = commands_of(bus), partition_with()
    assert await asyncio.gather(*(commands.ack(partition, STREAM, [entry_id]) for entry_id in ids)) == [1] * 20
    assert len(made) == 1
    assert (await bus.xpending(STREAM, GROUP))["pending"] == 0
    assert await commands.ack(partition, STREAM, ids[:1]) == 1
    assert len(made) == 2


async def test_acknowledgement_of_a_lost_lease_is_told_so_and_the_others_are_done(bus: Redis) -> None:
    ids = await pending_entries(bus, 2)
    await bus.set(lease_key(GROUP, 0), "another's")
    commands = commands_of(bus)
    lost = commands.ack(partition_with("a lease"), STREAM, ids[:1])
    done = commands.ack(partition_with("another's"), STREAM, ids[1:])
    assert list(await asyncio.gather(lost, done)) == [-1, 1]
    assert (await bus.xpending(STREAM, GROUP))["pending"] == 1


async def test_only_who_acknowledges_to_a_missing_group_hears_of_it(
    bus: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry_id,) = await pending_entries(bus, 1)
    # As a script answers that reads a stream of a group.
    read = "return redis.call('XREADGROUP', 'GROUP', ARGV[1], 'member', 'STREAMS', KEYS[1], '0') and 1"
    monkeypatch.setattr("holdfast.events.scripts.ACK", read)
    commands, partition = commands_of(bus), partition_with()
    await bus.xadd("without a group", {"n": 1})
    missing = commands.ack(partition, "without a group", [entry_id])
    done = commands.ack(partition, STREAM, [entry_id])
    answers = await asyncio.gather(missing, done, return_exceptions=True)
    assert isinstance(answers[0], GroupMissingError)
    assert answers[1] == 1


def test_acknowledgements_are_sent_again_until_redis_answers_or_nobody_waits() -> None:
    # On an event loop of its own, where no other test has tasks.
    asyncio.run(_nothing_is_left_of_acknowledgements_that_nobody_waits_for())


async def _nothing_is_left_of_acknowledgements_that_nobody_waits_for() -> None:
    before = asyncio.all_tasks()
    async with Redis.from_url("redis://127.0.0.1:1/0") as away:
        commands, partition = commands_of(away), partition_with()
        waiting = [asyncio.create_task(commands.ack(partition, STREAM, ["1-0"])) for _ in range(2)]
        await asyncio.wait(waiting, timeout=0.2)
        assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        await commands._patience.until_idle()
        await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_acknowledgement_that_is_cancelled_at_once_takes_no_other_with_it(bus: Redis) -> None:
    ids = await pending_entries(bus, 1)
    commands, partition = commands_of(bus), partition_with()
    cancelled = asyncio.create_task(commands.ack(partition, STREAM, ids))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    async with asyncio.timeout(5.0):
        assert await commands.ack(partition, STREAM, ids) == 1
