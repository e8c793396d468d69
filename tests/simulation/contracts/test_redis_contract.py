"""Redis: the commands and scripts that we use of it, with the arguments and answers of redis-py."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgpack
import pytest
from redis.exceptions import ResponseError

from actors.events import epochs, redis_stream
from holdfast.events import scripts
from tests.simulation.contracts.parts import Parts
from tests.support.examples import new_id

# redis-py has one type for every way in which its answers may be decoded.
Client = Any
DAY_MS = 86_400_000


@pytest.fixture
def redis(parts: Parts) -> Client:
    return parts.redis


@pytest.fixture
def key() -> str:
    """A key that nobody has; others use the same Redis. Of one slot of a cluster."""
    return f"{{{new_id()}}}"


async def run(redis: Client, script: str, keys: Sequence[str], *arguments: object) -> Any:  # noqa: ANN401
    return await redis.eval(script, len(keys), *keys, *arguments)


async def filled(redis: Client, stream: str, count: int, group: str = "") -> list[str]:
    """The ids of so many new entries, and a group that begins before them."""
    if group:
        await redis.xgroup_create(stream, group, "0-0", mkstream=True)
    return [(await redis.xadd(stream, {"number": number})).decode() for number in range(count)]


# Keys


async def test_key_that_is_set_unless_it_exists_keeps_its_first_value(redis: Client, key: str) -> None:
    assert await redis.get(key) is None
    assert await redis.set(key, "one", nx=True, px=DAY_MS)
    assert not await redis.set(key, "two", nx=True, px=DAY_MS)
    assert await redis.get(key) == b"one"
    assert await redis.exists(key) == 1
    assert await redis.unlink(key) == 1
    assert (await redis.exists(key), await redis.get(key)) == (0, None)


async def test_key_ends_after_its_time_unless_it_is_renewed(redis: Client, key: str) -> None:
    renewed = f"{key}-renewed"
    for name in (key, renewed):
        await redis.set(name, "mine", px=30)
    assert await run(redis, scripts.RENEW, [renewed], "mine", DAY_MS) == 1
    await asyncio.sleep(0.05)
    assert await redis.get(key) is None
    assert await redis.get(renewed) == b"mine"
    assert await run(redis, scripts.RENEW, [key], "mine", DAY_MS) == 0
    assert await redis.set(key, "another", nx=True)


async def test_only_the_owner_of_a_key_renews_and_releases_it(redis: Client, key: str) -> None:
    await redis.set(key, "mine")
    assert await run(redis, scripts.RENEW, [key], "another", DAY_MS) == 0
    await run(redis, scripts.RELEASE, [key], "another")
    assert await redis.get(key) == b"mine"
    await run(redis, scripts.RELEASE, [key], "mine")
    assert await redis.get(key) is None


async def test_hash_keeps_fields_until_the_owner_of_the_lease_forgets_one(redis: Client, key: str) -> None:
    lease = f"{key}-lease"
    await redis.hset(key, mapping={"since": 5, "ticket:1": 7})
    await redis.hset(key, mapping={"since": 6})
    assert await redis.hgetall(key) == {b"since": b"6", b"ticket:1": b"7"}
    await redis.set(lease, "mine")
    await run(redis, scripts.FORGET, [key, lease], "since", "another")
    await run(redis, scripts.FORGET, [key, lease], "ticket:1", "mine")
    assert await redis.hgetall(key) == {b"since": b"6"}
    assert await redis.hsetnx(key, "ticket:2", 1) == 1
    assert await redis.hsetnx(key, "ticket:2", 9) == 0
    assert (await redis.hgetall(key))[b"ticket:2"] == b"1"
    await redis.hdel(key, "ticket:2", "ticket:3")
    await run(redis, scripts.FORGET, [key, lease], "since", "mine")
    assert (await redis.hgetall(key), await redis.exists(key)) == ({}, 0)


async def test_sorted_set_is_in_the_order_of_scores(redis: Client, key: str) -> None:
    await redis.zadd(key, {"late": 30, "early": 10})
    await redis.zadd(key, {"middle": 20, "early": 11})
    assert await redis.zrange(key, 0, -1) == [b"early", b"middle", b"late"]
    await redis.zremrangebyscore(key, "-inf", 11)
    await redis.zrem(key, "late")
    assert await redis.zrange(key, 0, -1) == [b"middle"]


async def test_pipeline_answers_each_command_and_raises_the_first_error_if_asked(redis: Client, key: str) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.set(key, "value")
        pipeline.xinfo_groups(f"{key}-none")
        pipeline.get(key)
        first, error, last = await pipeline.execute(raise_on_error=False)
        assert (bool(first), type(error), last) == (True, ResponseError, b"value")
        pipeline.xinfo_groups(f"{key}-none")
        with pytest.raises(ResponseError):
            await pipeline.execute()


async def test_server_says_the_time_and_who_it_is(redis: Client, key: str) -> None:
    seconds, microseconds = await redis.time()
    (entry_id,) = await filled(redis, key, 1)
    assert 0 <= int(entry_id.partition("-")[0]) - (seconds * 1000 + microseconds // 1000) < 10_000
    assert (await redis.info("server"))["run_id"] == (await redis.info("server"))["run_id"]


# Streams


async def test_stream_has_its_entries_in_order_between_any_two_ids(redis: Client, key: str) -> None:
    ids = await filled(redis, key, 5)
    assert ids == sorted(ids, key=lambda one: tuple(map(int, one.split("-"))))
    entries = [(one.encode(), {b"number": str(number).encode()}) for number, one in enumerate(ids)]
    assert await redis.xrange(key) == entries
    assert await redis.xrange(key, ids[1], ids[3]) == entries[1:4]
    assert await redis.xrange(key, f"({ids[1]}", count=2) == entries[2:4]
    assert await redis.xlen(key) == 5
    assert await redis.xrange(f"{key}-none") == []


async def test_trimmed_stream_has_the_last_entries_and_keeps_its_last_id(redis: Client, key: str) -> None:
    ids = await filled(redis, key, 5)
    assert await redis.xtrim(key, maxlen=2, approximate=False) == 3
    assert [entry_id.decode() for entry_id, _ in await redis.xrange(key)] == ids[3:]
    await redis.xtrim(key, maxlen=1, approximate=True)
    assert await redis.xlen(key) == 2
    ((_, last),) = await run(redis, epochs._LOOK, [f"{key}-epoch", key])
    assert last.decode() == ids[4]
    assert (await redis.memory_usage(key) or 0) > 0
    assert await redis.memory_usage(f"{key}-none") is None


async def test_reader_is_given_what_is_behind_its_ids_and_waits_for_the_next_entry(redis: Client, key: str) -> None:
    other = f"{key}-other"
    ids = await filled(redis, key, 2)
    found: Any = await redis.xread({key: ids[0], other: "0-0"}, count=1, block=10)
    assert [(name, [one for one, _ in entries]) for name, entries in found] == [(key.encode(), [ids[1].encode()])]
    assert await redis.xread({key: ids[1], other: "0-0"}, count=1, block=10) == []
    waiting = asyncio.create_task(redis.xread({key: ids[1], other: "0-0"}, count=1, block=10_000))
    await asyncio.sleep(0.05)
    (added,) = await filled(redis, other, 1)
    found = await asyncio.wait_for(waiting, 5)
    assert [(name, [one for one, _ in entries]) for name, entries in found] == [(other.encode(), [added.encode()])]


async def test_group_is_made_once_where_it_begins(redis: Client, key: str) -> None:
    with pytest.raises(ResponseError):
        await redis.xinfo_groups(key)
    await redis.xgroup_create(key, "all", "0-0", mkstream=True)
    (entry_id,) = await filled(redis, key, 1)
    await redis.xgroup_create(key, "new", "$", mkstream=True)
    with pytest.raises(ResponseError, match="BUSYGROUP"):
        await redis.xgroup_create(key, "all", "0-0", mkstream=True)
    found = {group["name"]: group["last-delivered-id"] for group in await redis.xinfo_groups(key)}
    assert found == {b"all": b"0-0", b"new": entry_id.encode()}


async def test_group_is_made_by_the_script_once_and_forgets_the_gaps_of_a_former_life(redis: Client, key: str) -> None:
    missed = f"{key}-missed"
    await redis.hset(missed, mapping={"since": 5, "ticket:1": 7})
    assert await run(redis, scripts.MAKE, [key, missed], "g", "0-0", "since") == 1
    assert await redis.hgetall(missed) == {b"since": b"5"}
    await redis.hset(missed, mapping={"ticket:1": 8})
    (entry_id,) = await filled(redis, key, 1)
    assert await run(redis, scripts.MAKE, [key, missed], "g", "$", "since") == 0
    assert await redis.hgetall(missed) == {b"since": b"5", b"ticket:1": b"8"}
    assert await run(redis, scripts.MAKE, [key, missed], "new", "$", "since") == 1
    found = {group["name"]: group["last-delivered-id"] for group in await redis.xinfo_groups(key)}
    assert found == {b"g": b"0-0", b"new": entry_id.encode()}


# Members of groups


class Member:
    """What one of them asks by our scripts, of one stream."""

    def __init__(self, redis: Client, key: str, name: str) -> None:
        self.redis = redis
        self.name = name
        self.value = f"{name}:token"
        self.keys = [key, f"{key}-lease", f"{key}-epoch"]

    async def lease(self) -> None:
        await self.redis.set(self.keys[1], self.value)

    async def read(self, known: str, count: int = 10, covered: str = "", epoch: str = "") -> Any:  # noqa: ANN401
        return await run(
            self.redis, scripts.READ, self.keys, "g", self.value, self.name, count, epoch, covered, known
        )  # fmt: skip

    async def take_over(self) -> Any:  # noqa: ANN401
        return await run(self.redis, scripts.TAKE_OVER, self.keys, "g", self.value, self.name, DAY_MS)

    async def ack(self, *ids: str, removes: str = "0") -> int:
        return int(await run(self.redis, scripts.ACK, self.keys[:2], "g", self.value, self.name, removes, *ids))


@pytest.fixture
async def member(redis: Client, key: str) -> Member:
    member = Member(redis, key, "one")
    await member.lease()
    return member


def fields_of(number: int) -> list[bytes]:
    return [b"number", str(number).encode()]


async def test_member_is_given_new_entries_once_and_the_next_ones_behind_them(
    redis: Client, key: str, member: Member
) -> None:
    ids = await filled(redis, key, 3, "g")
    first = await member.read("0-0", count=2)
    assert first == [
        b"entries", ids[1].encode(), [[one.encode(), fields_of(number)] for number, one in enumerate(ids[:2])],
    ]  # fmt: skip
    assert await member.read(ids[1]) == [b"entries", ids[2].encode(), [[ids[2].encode(), fields_of(2)]]]
    assert await member.read(ids[2]) == [b"entries", ids[2].encode(), []]


async def test_member_that_does_not_know_what_the_group_was_given_is_given_nothing(
    redis: Client, key: str, member: Member
) -> None:
    ids = await filled(redis, key, 2, "g")
    await member.read("0-0", count=1)
    assert await member.read("0-0") == [b"behind"]
    assert (await member.read(ids[0]))[0] == b"entries"


async def test_member_without_the_lease_neither_reads_nor_acknowledges_nor_takes_over(
    redis: Client, key: str, member: Member
) -> None:
    ids = await filled(redis, key, 2, "g")
    await member.read("0-0", count=1)
    await Member(redis, key, "two").lease()
    assert await member.read(ids[0]) == [b"lost"]
    assert await member.take_over() == [b"lost"]
    assert await member.ack(ids[0]) == -1


async def test_successor_takes_over_what_is_pending_also_what_was_trimmed(
    redis: Client, key: str, member: Member
) -> None:
    ids = await filled(redis, key, 4, "g")
    await member.read("0-0", count=3)
    assert await member.ack(ids[1]) == 1
    await redis.xclaim(key, "g", "one", 0, [ids[2]], justid=True, retrycount=7)
    await redis.xtrim(key, maxlen=2, approximate=False)
    await redis.set(f"{key}-epoch", "e-1")
    successor = Member(redis, key, "two")
    await successor.lease()
    assert await successor.take_over() == [
        b"taken", b"e-1", ids[2].encode(), [[ids[0].encode(), 1, None], [ids[2].encode(), 7, fields_of(2)]],
    ]  # fmt: skip
    assert await successor.ack(ids[0], ids[2]) == 1
    assert await successor.ack(ids[0]) == 1  # a repeat
    assert await successor.take_over() == [b"taken", b"e-1", ids[2].encode(), []]


async def test_acknowledged_entry_of_a_replay_is_removed(redis: Client, key: str, member: Member) -> None:
    ids = await filled(redis, key, 2, "g")
    await member.read("0-0")
    assert await member.ack(ids[0], removes="1") == 1
    assert [entry_id.decode() for entry_id, _ in await redis.xrange(key)] == ids[1:]


async def test_member_is_told_of_another_epoch_and_of_a_trimmed_stream(redis: Client, key: str, member: Member) -> None:
    ids = await filled(redis, key, 4, "g")
    await member.read("0-0", count=1)
    await redis.xtrim(key, maxlen=2, approximate=False)
    assert await member.read(ids[0], covered=ids[0]) == [b"trimmed", ids[3].encode()]
    assert (await member.read(ids[0], covered=ids[3]))[0] == b"entries"
    await redis.set(f"{key}-epoch", "e-2")
    assert await member.read(ids[3], epoch="e-1") == [b"epoch", b"e-2"]


async def test_member_of_a_group_that_is_lost_is_refused(redis: Client, key: str, member: Member) -> None:
    for _ in range(2):
        with pytest.raises(ResponseError, match="NOGROUP"):
            await member.read("0-0")
        with pytest.raises(ResponseError, match=r"NOGROUP|no such key"):
            await member.take_over()
        assert await member.ack("1-1") == 1
        await filled(redis, key, 1)


# Publishers and epochs


class Partition:
    """One partition of the event stream."""

    def __init__(self, redis: Client, key: str) -> None:
        self.redis = redis
        self.keys = [key, f"{key}-epoch", f"{key}-server"]

    async def begin(self, epoch: str) -> None:
        await run(self.redis, epochs._BEGIN, [self.keys[1], self.keys[0], self.keys[2]], epoch)

    async def open(self, found: str, epoch: str) -> int:
        return int(await run(self.redis, epochs._OPEN, self.keys[1:], found, epoch))

    async def append(self, epoch: str, last_id: str = "", *, numbers: Sequence[int] = (1,)) -> Any:  # noqa: ANN401
        entries = msgpack.packb([["number", str(number)] for number in numbers], use_bin_type=False)
        return await run(self.redis, redis_stream._APPEND, self.keys, epoch, 1_000, last_id, entries)

    async def look(self) -> list[bytes]:
        (found,) = await run(self.redis, epochs._LOOK, [self.keys[1], self.keys[0]])
        return list(found)


@pytest.fixture
async def partition(redis: Client, key: str) -> Partition:
    partition = Partition(redis, key)
    await partition.begin("e-1")
    return partition


async def test_entries_are_appended_in_order_and_their_last_id_is_told(partition: Partition) -> None:
    word, last_id = await partition.append("e-1", numbers=(1, 2, 3))
    assert word == b"OK"
    entries: Any = await partition.redis.xrange(partition.keys[0])
    assert [fields[b"number"] for _, fields in entries] == [b"1", b"2", b"3"]
    assert entries[-1][0] == last_id
    assert (await partition.append("e-1", last_id.decode()))[0] == b"OK"
    assert await partition.look() == [b"e-1", (await partition.redis.xrange(partition.keys[0]))[-1][0]]


async def test_nothing_is_appended_in_another_epoch(partition: Partition) -> None:
    assert await partition.append("e-0") == [b"EPOCH"]
    assert await partition.look() == [b"e-1", b"0-0"]


async def test_publisher_whose_last_entry_is_gone_ends_the_epoch(partition: Partition) -> None:
    _, last_id = await partition.append("e-1")
    await partition.begin("e-1")
    assert await partition.append("e-1", last_id.decode()) == [b"LOST"]
    assert await partition.look() == [b"", b"0-0"]
    await partition.begin("e-2")
    await partition.append("e-2")
    beyond = f"{int(last_id.partition(b'-')[0]) + DAY_MS}-0"
    assert await partition.append("e-2", beyond) == [b"LOST"]


async def test_publisher_whose_last_entry_was_trimmed_goes_on(partition: Partition) -> None:
    _, last_id = await partition.append("e-1")
    await partition.append("e-1")
    await partition.redis.xtrim(partition.keys[0], maxlen=1, approximate=False)
    assert (await partition.append("e-1", last_id.decode()))[0] == b"OK"
    await partition.redis.xtrim(partition.keys[0], maxlen=0, approximate=False)
    assert (await partition.append("e-1", last_id.decode()))[0] == b"OK"


async def test_nothing_is_appended_on_another_server_and_no_epoch_is_opened_there(partition: Partition) -> None:
    await partition.redis.set(partition.keys[2], "0" * 40)
    assert await partition.append("e-1") == [b"SERVER"]
    assert await partition.open("e-1", "e-2") == 0
    await partition.redis.unlink(partition.keys[2])  # as of before it was noted
    assert (await partition.append("e-1"))[0] == b"OK"
    await partition.begin("e-2")
    assert (await partition.append("e-2"))[0] == b"OK"


async def test_epoch_is_opened_once_where_it_was_begun(partition: Partition) -> None:
    assert await partition.open("e-0", "e-2") == 0
    assert (await partition.look())[0] == b"e-1"
    assert await partition.open("e-1", "e-2") == 1
    assert await partition.open("e-1", "e-2") == 0
    assert (await partition.look())[0] == b"e-2"
