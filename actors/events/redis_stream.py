"""Committed events to Redis: sixteen streams, in an epoch that says whether Redis still has what it was given.

Appending and checking are one script. It appends nothing when the epoch is another than the publisher's, or when the
stream lacks what the publisher wrote last: Redis lost something. Then the epoch is removed, so that nobody appends, and
the Supervisor begins a new one (`epochs.py`). It appends nothing either on another server than the epoch was begun on:
nobody knows what that lacks, and later events of an entity would come before those that were lost.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgpack
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.events.published import is_gapless, is_published, published_event, was_published
from actors.runtime.bounded_dict import BoundedDict
from actors.runtime.ports import RecordedEvent, StoreUnavailableError
from holdfast.events.event import Event
from holdfast.events.partitions import EPOCH_KEYS, PARTITIONS, STREAM_KEYS, partition_of

# The journal keeps everything; the stream keeps what a consumer that was away may have missed: so many bytes, and what
# is younger than the retention (`epochs.py`). The largest description makes an event of 20 KB.
MAX_BYTES = 512 * 1024**2
# What an entry takes in Redis besides its values (measured; the names of its fields are kept once).
ENTRY_BYTES = 60
SMALLEST_ENTRY_BYTES = 500
# Large events are noticed after so many: until then the stream is too long by as many of them.
_AVERAGE_OVER = 2_000
KNOWN_CHARGES = 100_000

# Beside the epoch of each partition the server on which it was begun: its run id, which is another after each start.
SERVER_KEYS = tuple(f"holdfast:events:server:{{{partition:02d}}}" for partition in range(PARTITIONS))

# The run id of the server that runs the script.
RUN_ID = """
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
"""
# KEYS: for each partition its stream, epoch and server. ARGV: epoch, longest length; then for each partition the id
# that was written last ('' for none) and its entries as MessagePack: a list of lists of names and values by turns.
# Answers the ids that were written last, or why nothing was appended.
_APPEND = (
    RUN_ID
    + """
local function is_before(a, b)
    local a_time, a_seq = string.match(a, '(%d+)-(%d+)')
    local b_time, b_seq = string.match(b, '(%d+)-(%d+)')
    a_time, b_time = tonumber(a_time), tonumber(b_time)
    return a_time < b_time or (a_time == b_time and tonumber(a_seq) < tonumber(b_seq))
end
local function lacks(stream, id)
    if id == '' or #redis.call('XRANGE', stream, id, id) > 0 then return false end
    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    if first then return is_before(first[1], id) end
    local info = redis.pcall('XINFO', 'STREAM', stream)
    return info.err ~= nil or is_before(info[8], id)
end
for p = 1, #KEYS / 3 do
    local stream, epoch, server = KEYS[3 * p - 2], KEYS[3 * p - 1], redis.call('GET', KEYS[3 * p])
    if redis.call('GET', epoch) ~= ARGV[1] then return {'EPOCH'} end
    if server and server ~= run_id then return {'SERVER'} end
    if lacks(stream, ARGV[2 * p + 1]) then
        redis.call('DEL', epoch)
        return {'LOST'}
    end
end
local ids = {'OK'}
for p = 1, #KEYS / 3 do
    local id
    for _, entry in ipairs(cmsgpack.unpack(ARGV[2 * p + 2])) do
        id = redis.call('XADD', KEYS[3 * p - 2], 'MAXLEN', '~', ARGV[2], '*', unpack(entry))
    end
    ids[#ids + 1] = id
end
return ids
"""
)

logger = structlog.get_logger(__name__)


class LastPublished(Protocol):
    """What the journal knows of an entity's past."""

    async def last_published(self, entity: str, before: int) -> int | None:
        """Return the last version before this one that was published, None for none. Raises StoreUnavailableError."""


class PublishedEvents:
    """Makes events of records, each with the version that was published before it."""

    def __init__(self, history: LastPublished, source: str) -> None:
        self._history = history
        self._source = source
        # Of each charge the last version that came by, and the last of them that was published.
        self._charges: BoundedDict[str, tuple[int, int | None]] = BoundedDict(KNOWN_CHARGES)

    async def of(self, records: Sequence[RecordedEvent]) -> list[Event]:
        """Return the events of these records that are published, in order. Raises StoreUnavailableError."""
        events: list[Event] = []
        for record in records:
            preceded_by = record.version - 1 or None if is_gapless(record) else await self._of_charge(record)
            if is_published(record):
                events.append(published_event(record, source=self._source, preceded_by=preceded_by))
        return events

    async def _of_charge(self, record: RecordedEvent) -> int | None:
        """The version of the charge that was published before this one."""
        seen, preceded_by = self._charges.get(record.entity, (0, None))
        if seen != record.version - 1:
            preceded_by = await self._history.last_published(record.entity, record.version)
        last = record.version if was_published(record) else preceded_by
        self._charges[record.entity] = (record.version, last)
        return preceded_by


class RedisEventStream:
    """The streams in Redis, of about `max_bytes` together. An event's `id` is the same however often it is published.

    `epoch` is the one to write in; without it the one that is there, as soon as it is complete.
    """

    def __init__(
        self, redis: Redis, events: PublishedEvents, *, max_bytes: int = MAX_BYTES, epoch: str | None = None
    ) -> None:
        self._redis = redis
        self._script = redis.register_script(_APPEND)
        self._events = events
        self._largest_partition = max_bytes / PARTITIONS
        self._average = float(SMALLEST_ENTRY_BYTES)
        self._fixed_epoch = epoch
        self._epoch = epoch
        self._last_ids = [""] * PARTITIONS

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        """Appends the events in order, in one round trip. Raises StoreUnavailableError."""
        events = await self._events.of(records)
        if events:
            await self.append(events)

    async def append(self, events: Sequence[Event]) -> None:
        """Appends all of the events or none. Raises StoreUnavailableError."""
        try:
            if self._epoch is None:
                self._epoch = await self._current_epoch()
            await self._append(self._epoch, events)
        except (TimeoutError, RedisError, OSError) as error:
            logger.warning("event_stream_unavailable", error=type(error).__name__)
            raise StoreUnavailableError(type(error).__name__) from error

    async def _current_epoch(self) -> str:
        found: Any = await self._redis.get(EPOCH_KEYS[0])
        epoch = "" if found is None else found.decode()
        if not epoch or is_being_filled(epoch):
            raise StoreUnavailableError("the event stream has no epoch yet")
        self._last_ids = [""] * PARTITIONS
        return str(epoch)

    async def _append(self, epoch: str, events: Sequence[Event]) -> None:
        parts: dict[int, list[Event]] = {}
        for event in events:
            parts.setdefault(partition_of(event.partition_key), []).append(event)
        keys: list[str] = []
        values: list[str | bytes | int] = [epoch, 0]
        name = name_of(epoch)
        for partition, own in parts.items():
            keys += (STREAM_KEYS[partition], EPOCH_KEYS[partition], SERVER_KEYS[partition])
            entries = [event.fields(name) for event in own]
            for fields in entries:
                self._average += (_bytes_of(fields) - self._average) / _AVERAGE_OVER
            # Packed, since redis-py takes 20 us for the values of an event one by one; as Redis's cmsgpack reads it.
            values += (self._last_ids[partition], msgpack.packb(entries, use_bin_type=False))
        values[1] = max(1, int(self._largest_partition / self._average))
        answer: Any = await self._script(keys, values)
        word = answer[0].decode()
        if word == "SERVER":
            raise StoreUnavailableError("the event stream is on another server")
        if word != "OK":
            self._epoch = self._fixed_epoch
            logger.warning("event_stream_epoch_over", reason=word.lower())
            raise StoreUnavailableError("the event stream has another epoch")
        for partition, last_id in zip(parts, answer[1:], strict=True):
            self._last_ids[partition] = last_id.decode()


_FILLING = ":filling"


def being_filled(epoch: str) -> str:
    """Return what stands in the epoch keys while the epoch's beginning is written: nobody else may append."""
    return epoch + _FILLING


def is_being_filled(value: str) -> bool:
    """Whether the epoch that stands there is not complete yet."""
    return value.endswith(_FILLING)


def name_of(value: str) -> str:
    """Return the epoch of what stands in an epoch key."""
    return value.removesuffix(_FILLING)


def _bytes_of(fields: Sequence[str | bytes]) -> int:
    return ENTRY_BYTES + sum(len(value) for value in fields[1::2])
