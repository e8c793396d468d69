"""Event streams without a market: one to publish to, and what the partitions hold."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from redis.asyncio import Redis

from actors.events.redis_stream import MAX_BYTES, PublishedEvents, RedisEventStream
from holdfast.events.event import Event
from holdfast.events.partitions import EPOCH_KEYS, STREAM_KEYS

SOURCE = "https://market.example"


class NoHistory:
    """A journal in which nothing was published before."""

    async def last_published(self, entity: str, before: int) -> int | None: ...

    async def versions(self, entity: str, after: int, before: int) -> Sequence[Event]:  # noqa: ARG002
        return ()

    async def since(self, time_ms: int, partitions: Collection[int]) -> AsyncIterator[Event]:  # noqa: ARG002
        nothing: Sequence[Event] = ()
        for event in nothing:
            yield event


async def an_event_stream(redis: Redis, *, epoch: str = "test", max_bytes: int = MAX_BYTES) -> RedisEventStream:
    """Begins an epoch, as the Supervisor does, and returns a way to publish in it."""
    await redis.mset(dict.fromkeys(EPOCH_KEYS, epoch))
    return RedisEventStream(redis, PublishedEvents(NoHistory(), SOURCE), max_bytes=max_bytes)


async def published_events(redis: Redis, *entities: str) -> list[Event]:
    """Everything in the streams, or what is there of these entities, in the order of publishing."""
    found: list[tuple[tuple[int, int], Event]] = []
    for key in STREAM_KEYS:
        entries: Any = await redis.xrange(key)
        for entry_id, fields in entries:
            milliseconds, _, number = entry_id.decode().partition("-")
            found.append(((int(milliseconds), int(number)), Event.of_fields(fields)))
    events = [event for _, event in sorted(found, key=lambda each: each[0])]
    return [event for event in events if not entities or event.entity in entities]
