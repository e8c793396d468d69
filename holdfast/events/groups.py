"""How the consumer groups of a market's events stand."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from holdfast.events.keys import dead_letters_key, replay_key
from holdfast.events.leases import living_members
from holdfast.events.partitions import PARTITIONS, STREAM_KEYS


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group: its living members, the events in their hands and those that are replayed, and its dead letters.

    `age_seconds` is how long ago the oldest event was published or replayed that is not acknowledged; 0 if all are.
    """

    group: str
    members: tuple[str, ...]
    pending: int
    age_seconds: float
    dead_letters: int


async def groups(redis: Redis) -> list[GroupStatus]:
    """Return all groups, by name. Raises RedisError."""
    names = {info["name"].decode() for found in await _group_infos(redis) for info in found}
    return [await group_status(redis, name) for name in sorted(names)]


async def group_status(redis: Redis, group: str) -> GroupStatus:
    """Return how a group stands. Raises RedisError."""
    pipe = redis.pipeline(transaction=False)
    delivered = {}
    for number, found in enumerate(await _group_infos(redis)):
        for info in found:
            if info["name"] == group.encode():
                delivered[number] = info["last-delivered-id"].decode()
    for number, last_id in delivered.items():
        pipe.xpending(STREAM_KEYS[number], group)
        pipe.xrange(STREAM_KEYS[number], f"({last_id}", count=1)
    answers: list[Any] = await pipe.execute(raise_on_error=False)
    pending = [answer for answer in answers[::2] if isinstance(answer, dict)]
    unread = [answer for answer in answers[1::2] if isinstance(answer, list)]
    oldest = [answer["min"] for answer in pending if answer["min"]] + [entries[0][0] for entries in unread if entries]
    replayed = await _replayed(redis, group)
    oldest += [entry_id for entry_id, _ in replayed]
    seconds, microseconds = await redis.time()
    now_ms = seconds * 1000 + microseconds // 1000
    oldest_ms = min((int(entry_id.partition(b"-")[0]) for entry_id in oldest), default=now_ms)
    return GroupStatus(
        group,
        tuple(await living_members(redis, group)),
        sum(answer["pending"] for answer in pending) + sum(count for _, count in replayed),
        max(0, now_ms - oldest_ms) / 1000,
        await redis.xlen(dead_letters_key(group)),
    )


async def _replayed(redis: Redis, group: str) -> list[tuple[bytes, int]]:
    """The id of the oldest dead letter that is replayed in each partition, and how many are: handled ones are gone."""
    pipe = redis.pipeline(transaction=False)
    for number in range(PARTITIONS):
        pipe.xrange(replay_key(group, number), count=1)
        pipe.xlen(replay_key(group, number))
    found: list[Any] = await pipe.execute()
    return [(entries[0][0], count) for entries, count in zip(found[::2], found[1::2], strict=True) if entries]


async def _group_infos(redis: Redis) -> list[list[dict[str, Any]]]:
    pipe = redis.pipeline(transaction=False)
    for stream in STREAM_KEYS:
        pipe.xinfo_groups(stream)
    found = await pipe.execute(raise_on_error=False)
    # A stream that does not exist yet answers with an error.
    return [infos if isinstance(infos, list) else [] for infos in found][:PARTITIONS]
