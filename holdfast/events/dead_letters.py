"""Events that a group could not handle: listed, shown, delivered again to that group only, dropped.

They are in Redis only: a Redis that is lost loses them.
"""

import re
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from holdfast.events.event import Event
from holdfast.events.group_commands import DEAD_LETTERS
from holdfast.events.keys import checked_name, dead_letters_key, replay_key
from holdfast.events.partitions import partition_of

_ID = re.compile(r"[0-9]+-[0-9]+")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them: why, after how many deliveries, and which type the last error had, if one was named.

    `stream` and `entry_id` say where the event was, and are empty if it came from the journal.
    """

    id: str
    event: Event
    reason: str
    deliveries: int
    error: str
    stream: str
    entry_id: str


async def list_dead_letters(redis: Redis, group: str, limit: int = 100, after: str = "-") -> list[DeadLetter]:
    """Return the first of a group's dead letters behind the id `after`, oldest first. Raises RedisError."""
    begin = after if after == "-" else f"({after}"
    found: Any = await redis.xrange(_key(group), begin, count=limit)
    return [_dead_letter(letter_id, fields) for letter_id, fields in found]


async def show(redis: Redis, group: str, letter_id: str) -> DeadLetter:
    """Return one of them. Raises LookupError if there is none with this id, and RedisError."""
    found: Any = _ID.fullmatch(letter_id) and await redis.xrange(_key(group), letter_id, letter_id)
    if not found:
        raise LookupError(f"group {group} has no dead letter {letter_id}")
    return _dead_letter(*found[0])


async def replay(redis: Redis, group: str, letter_id: str) -> None:
    """Deliver it to the group again, and to no other; it is no dead letter any more. Raises LookupError, RedisError.

    It comes after later events of its entity. If this stops half-way, it may be delivered and still be a dead letter.
    """
    letter = await show(redis, group, letter_id)
    stream = replay_key(group, partition_of(letter.event.partition_key))
    try:
        await redis.xgroup_create(stream, group, "0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    fields = letter.event.fields()
    entry: Any = dict(zip(fields[::2], fields[1::2], strict=True))
    await redis.xadd(stream, entry, maxlen=DEAD_LETTERS)
    await redis.xdel(_key(group), letter_id)


async def drop(redis: Redis, group: str, letter_id: str) -> None:
    """Remove it for good. Raises LookupError if there is none with this id, and RedisError."""
    if not (_ID.fullmatch(letter_id) and await redis.xdel(_key(group), letter_id)):
        raise LookupError(f"group {group} has no dead letter {letter_id}")


def _key(group: str) -> str:
    return dead_letters_key(checked_name("a group", group))


def _dead_letter(letter_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        letter_id.decode(),
        Event.of_fields(fields),
        fields[b"reason"].decode(),
        int(fields[b"deliveries"]),
        fields[b"error"].decode(),
        fields[b"stream"].decode(),
        fields[b"entry"].decode(),
    )
