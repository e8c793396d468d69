"""Where a subscription begins that is not known yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from redis.asyncio import Redis

from holdfast.events.event import Event
from holdfast.events.group_commands import BEGINNING
from holdfast.events.history import History
from holdfast.events.intake import SLACK_MS
from holdfast.events.partitions import stream_key

_PAGE = 100
_ANY_VERSION = 2**62


@dataclass(frozen=True, slots=True)
class Since:
    """Events that were committed then or later; `time` is an instant with its zone, or in milliseconds (Unix)."""

    time: datetime | int

    @property
    def ms(self) -> int:
        """Return the instant in milliseconds."""
        return self.time if isinstance(self.time, int) else round(self.time.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class From:
    """This event, or the next published one of its entity, and all that was committed then or later.

    It needs a history. If the entity has no such event yet, only new events come.
    """

    entity: str
    version: int


Deliver = Literal["new", "all"] | Since | From


async def start_ms(deliver: Deliver, history: History | None) -> int | None:
    """Return the commit time, in ms, from which events are wanted; None for new ones only, 0 for all.

    Raises ValueError, and what the history raises.
    """
    match deliver:
        case "new":
            return None
        case "all":
            return 0
        case Since():
            return max(0, deliver.ms)
        case From(entity, version):
            if history is None:
                raise ValueError("From needs a history: connect(..., history=...)")
            found = await history.versions(entity, version - 1, _ANY_VERSION)
            return found[0].time_ms if found else None
    raise ValueError(f"deliver is 'new', 'all', Since(time) or From(entity, version), not {deliver!r}")


async def entry_before(redis: Redis, partition: int, ms: int) -> tuple[str, bool]:
    """Return the id behind which a partition's events of that time begin, and whether the stream reaches back to it.

    Raises RedisError.
    """
    stream = stream_key(partition)
    first: Any = await redis.xrange(stream, count=1)
    if not first or Event.of_fields(first[0][1]).time_ms > ms:
        return BEGINNING, False
    before = BEGINNING
    begin_ms = ms - SLACK_MS
    if begin_ms > int(first[0][0].partition(b"-")[0]):
        before = f"{begin_ms - 1}-{2**64 - 1}"
    while page := await redis.xrange(stream, f"({before}", count=_PAGE):
        entries: Any = page
        for entry_id, fields in entries:
            if Event.of_fields(fields).time_ms >= ms:
                return before, True
            before = entry_id.decode()
    return before, True
