"""What lies between two positions of the streams, a page at a time: for those who come back to a shared reader."""

from collections.abc import AsyncGenerator
from typing import Any

from redis.asyncio import Redis

from holdfast.events.event import Event, MalformedEventError
from holdfast.events.message import Message
from holdfast.events.partition import Marks
from holdfast.events.partitions import stream_key
from holdfast.events.stream_position import EntryId, StreamPosition, entry_id_of

_PAGE = 100
_BEGINNING = (0, 0)


class PositionLostError(Exception):
    """Redis lost or removed what came after the position."""


async def read_between(redis: Redis, after: StreamPosition, until: StreamPosition) -> AsyncGenerator[list[Message]]:
    """Yield what was published after the one position up to the other, in pages of at most 100 messages.

    Each event comes once, and those of an entity in order. Raises PositionLostError and RedisError.
    """
    if after.epoch != until.epoch:
        raise PositionLostError
    marks = Marks()
    for partition, (begin, end) in enumerate(zip(after.entries, until.entries, strict=True)):
        reached = begin
        while reached < end:
            entries = await _page(redis, partition, reached, end)
            if not entries:
                break
            messages = []
            for entry_id, fields in entries:
                reached = entry_id_of(entry_id.decode())
                try:
                    event = Event.of_fields(fields)
                except MalformedEventError:
                    continue
                if event.epoch != after.epoch:
                    raise PositionLostError
                if event.version > (marks.of(event.entity) or 0):
                    marks.note(event.entity, event.version)
                    messages.append(Message(event, partition=partition, entry_id=reached))
            yield messages


async def _page(redis: Redis, partition: int, after: EntryId, end: EntryId) -> list[tuple[bytes, Any]]:
    """Return the next entries, and look in the same step whether those before them are still there."""
    stream = stream_key(partition)
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.xrange(stream, count=1)
        pipeline.xrange(stream, f"({_text(after)}", _text(end), count=_PAGE)
        first, entries = await pipeline.execute()
    if not first or (after != _BEGINNING and entry_id_of(first[0][0].decode()) > after):
        raise PositionLostError
    found: list[tuple[bytes, Any]] = entries
    return found


def _text(entry: EntryId) -> str:
    return f"{entry[0]}-{entry[1]}"
