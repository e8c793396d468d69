"""Keeps the event stream whole: notices that Redis lost something, and publishes the retention window again.

An epoch is the life of the streams between two losses. Redis may come back emptied, set back in time, as another server
or as a replica that lags; the journal has everything. A new epoch begins with empty streams, is filled from the journal
while nobody else may append, and is then open to all publishers.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.events.journal_history import JournalHistory
from actors.events.redis_stream import RUN_ID, SERVER_KEYS, PublishedEvents, RedisEventStream, being_filled
from actors.runtime.ports import Clock, Instant, StoreUnavailableError
from actors.storage.event_stream import StreamState
from holdfast.events.event import Event
from holdfast.events.partitions import EPOCH_KEYS, PARTITIONS, STREAM_KEYS
from holdfast.events.stream_position import entry_id_of

EVERY_SECONDS = 1.0
TRIM_EVERY_MS = 60_000
FILL_BATCH = 200
# The stream of before there were partitions.
OLD_STREAM = "holdfast:events"

# KEYS: all epochs, then all streams. Answers what stands in each epoch and each stream's last id.
_LOOK = """
local found = {}
for k = 1, #KEYS / 2 do
    local info = redis.pcall('XINFO', 'STREAM', KEYS[k + #KEYS / 2])
    found[k] = {redis.call('GET', KEYS[k]) or '', info.err and '0-0' or info[8]}
end
return found
"""
# KEYS: all epochs, all streams, all servers. ARGV: the new epoch, while it is being filled.
_BEGIN = (
    RUN_ID
    + """
local count = #KEYS / 3
for k = 1, count do
    redis.call('DEL', KEYS[k + count])
    redis.call('SET', KEYS[k], ARGV[1])
    redis.call('SET', KEYS[k + 2 * count], run_id)
end
"""
)
# KEYS: all epochs, then all servers. ARGV: the epoch while it is being filled, and its name.
_OPEN = (
    RUN_ID
    + """
local count = #KEYS / 2
for k = 1, count do
    if redis.call('GET', KEYS[k]) ~= ARGV[1] or redis.call('GET', KEYS[k + count]) ~= run_id then return 0 end
end
for k = 1, count do redis.call('SET', KEYS[k], ARGV[2]) end
return 1
"""
)

logger = structlog.get_logger(__name__)


class StreamStates(Protocol):
    """Where that is kept, outside of Redis. All raise StoreUnavailableError."""

    async def load(self) -> StreamState | None:
        """Return the last one that was saved."""

    async def save_the_first(self, state: StreamState) -> StreamState:
        """Keep it unless there is one, and return the one that is kept."""

    async def save(self, state: StreamState) -> None:
        """Keep it in the place of the one before."""


@dataclass(frozen=True, slots=True)
class _Look:
    epochs: frozenset[str]
    run_id: str
    last_ids: tuple[str, ...]

    def lacks_something_of(self, before: StreamState) -> bool:
        """Whether something may be gone since: of another server nobody knows."""
        return (
            self.epochs != {before.epoch}
            or self.run_id != before.run_id
            or any(
                entry_id_of(last) > entry_id_of(found)
                for last, found in zip(before.last_ids, self.last_ids, strict=True)
            )
        )


class EpochKeeper:
    """A duty of the Supervisor. `retention_ms` is how long events stay in the stream at most."""

    def __init__(  # noqa: PLR0913 - what it compares
        self,
        redis: Redis,
        states: StreamStates,
        history: JournalHistory,
        events: PublishedEvents,
        clock: Clock,
        *,
        retention_ms: int,
        max_bytes: int,
    ) -> None:
        self._redis = redis
        self._states = states
        self._history = history
        self._events = events
        self._clock = clock
        self._retention_ms = retention_ms
        self._max_bytes = max_bytes
        self._look_script = redis.register_script(_LOOK)
        self._begin_script = redis.register_script(_BEGIN)
        self._open_script = redis.register_script(_OPEN)
        self._state: StreamState | None = None
        self._trimmed_at: Instant = 0

    async def round(self) -> None:
        """Look once, and mend what is missing. Raises StoreUnavailableError."""
        try:
            await self._round()
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(type(error).__name__) from error

    async def _round(self) -> None:
        before = self._state or await self._states.load()
        look = await self._look()
        if self._state is not None and look.lacks_something_of(self._state):
            # Another Supervisor may have begun an epoch.
            before, look = await self._states.load(), await self._look()
        now = self._clock.now()
        if before is None or not before.is_of_an_epoch:
            await self._begin_epoch(await self._named(now))
            return
        if any(market_of(epoch) != market_of(before.epoch) for epoch in look.epochs if epoch):
            # Each would delete the other's streams, for ever.
            raise StoreUnavailableError("another market uses this Redis: give each its own database in REDIS_URL")
        if look.lacks_something_of(before):
            logger.warning("event_stream_lost", epoch=before.epoch)
            await self._begin_epoch(market_of(before.epoch))
            return
        if look.last_ids != before.last_ids or self._state is None:
            await self._save(StreamState(before.epoch, look.run_id, look.last_ids, now))
        if now - self._trimmed_at >= TRIM_EVERY_MS:
            await self._trim(now)

    async def _named(self, now: Instant) -> str:
        """The market's name. The database has it before Redis does: whatever Redis is set back to is known as ours."""
        name = StreamState(secrets.token_hex(4), run_id="", last_ids=(), looked_at=now)
        return market_of((await self._states.save_the_first(name)).epoch)

    async def _begin_epoch(self, market: str) -> None:
        now = self._clock.now()
        epoch = f"{market}-{now:x}-{secrets.token_hex(4)}"
        logger.info("event_stream_epoch_begins", epoch=epoch)
        filling = being_filled(epoch)
        self._state = None
        await self._begin_script([*EPOCH_KEYS, *STREAM_KEYS, *SERVER_KEYS], [filling])
        stream = RedisEventStream(self._redis, self._events, max_bytes=self._max_bytes, epoch=filling)
        count = await self._publish_since(now - self._retention_ms, stream)
        await self._redis.unlink(OLD_STREAM)
        look = await self._look()
        # Saved before it is open: after a death in between the next look finds another epoch, and begins anew.
        await self._save(StreamState(epoch, look.run_id, look.last_ids, now))
        if not await self._open_script([*EPOCH_KEYS, *SERVER_KEYS], [filling, epoch]):
            raise StoreUnavailableError("the event stream was lost again")
        logger.info("event_stream_epoch_begun", epoch=epoch, events=count)

    async def _publish_since(self, since: Instant, stream: RedisEventStream) -> int:
        """Append what was committed since then, and return how many events that were."""
        count = 0
        batch: list[Event] = []
        try:
            async for event in self._history.since(since, range(PARTITIONS)):
                batch.append(event)
                if len(batch) >= FILL_BATCH:
                    await stream.append(batch)
                    count += len(batch)
                    batch = []
        except ConnectionError as error:
            raise StoreUnavailableError(str(error)) from error
        if batch:
            await stream.append(batch)
        return count + len(batch)

    async def _save(self, state: StreamState) -> None:
        await self._states.save(state)
        self._state = state

    async def _look(self) -> _Look:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.info("server")
            await self._look_script([*EPOCH_KEYS, *STREAM_KEYS], client=pipeline)
            server, found = await pipeline.execute()
        parts: Sequence[Any] = found
        return _Look(
            frozenset(epoch.decode() for epoch, _ in parts),
            server["run_id"],
            tuple(last_id.decode() for _, last_id in parts),
        )

    async def _trim(self, now: Instant) -> None:
        """By age, and by what Redis says of each stream's memory: events may grow faster than their average."""
        largest = self._max_bytes // PARTITIONS
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in STREAM_KEYS:
                pipeline.xtrim(key, minid=now - self._retention_ms, approximate=True)
                pipeline.memory_usage(key)
            answers = await pipeline.execute()
        for key, used in zip(STREAM_KEYS, answers[1::2], strict=True):
            if used is not None and used > largest:
                length = await self._redis.xlen(key)
                await self._redis.xtrim(key, maxlen=length * largest // used, approximate=True)
        self._trimmed_at = now


def market_of(epoch: str) -> str:
    """Return which market's epoch it is: the part that all of its epochs have in common."""
    return epoch.partition("-")[0]
