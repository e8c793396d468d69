"""A subscription that nobody remembers, as live pages have it: no group, no acknowledgements."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis

from holdfast.events.deliver import Deliver, entry_before, start_ms
from holdfast.events.event import Event, MalformedEventError
from holdfast.events.group_commands import BEGINNING
from holdfast.events.history import History
from holdfast.events.intake import SLACK_MS
from holdfast.events.message import Gap, Message
from holdfast.events.partition import Marks
from holdfast.events.partitions import EPOCH_KEYS, STREAM_KEYS
from holdfast.events.patience import REST_SECONDS, Patience
from holdfast.events.stream_position import StreamPosition, entry_id_of, is_complete_epoch
from holdfast.events.subjects import Subjects

_WAIT_MS = 1_000
_PAGE = 50
_CAUGHT_UP_SECONDS = 60.0


class EphemeralSubscription:
    """Messages and gaps: `async for message in subscription`, until `close`.

    Each event comes once, and those of an entity in order; acknowledging them does nothing. A Gap comes when Redis lost
    something, or removed it before it was read: then anything may have happened, and new events follow.
    """

    def __init__(self, redis: Redis, subjects: Subjects, history: History | None) -> None:
        self._redis = redis
        self._subjects = subjects
        self._history = history
        self._patience = Patience("Redis")
        self._history_patience = Patience("the history")
        self._last_ids: dict[str, str] = {}
        self._caught_up_at: dict[str, float] = {}
        self._epochs: dict[str, bytes | None] = {}
        self._epochs_seen_at = 0.0
        self._rests_until = 0.0
        self._marks = Marks()
        self._past: AsyncIterator[Event] | None = None
        self._past_begin: tuple[int, frozenset[int]] = (0, frozenset())
        self._newest_ms = 0
        self._floor_ms = 0
        self._found: deque[Message | Gap] = deque()
        self._is_closed = False

    async def start(self, deliver: Deliver) -> None:
        """Find the beginning. Raises ValueError, and what Redis answers when it refuses access."""
        ms = await self._history_patience(lambda: start_ms(deliver, self._history))
        await self._go_to_end()
        if ms is None:
            return
        lacking = set()
        for number, stream in enumerate(STREAM_KEYS):
            self._last_ids[stream], reaches_back = await self._patience(
                lambda number=number: entry_before(self._redis, number, ms)  # type: ignore[misc]
            )
            if not reaches_back:
                lacking.add(number)
        self._floor_ms = ms
        if self._history is not None and lacking and deliver != "all":
            self._past_begin = ms, frozenset(lacking)
            self._past = self._history.since(ms, lacking)

    @property
    def position(self) -> StreamPosition | None:
        """Return how far it has read, None while the streams have no complete epoch.

        That is where it stands at its start and when it has just handed over a gap; else it may have read more than it
        handed over.
        """
        epoch, *others = {epoch or b"" for epoch in self._epochs.values()}
        if others or not is_complete_epoch(epoch.decode()):
            return None
        return StreamPosition(epoch.decode(), tuple(entry_id_of(self._last_ids[stream]) for stream in STREAM_KEYS))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message | Gap:
        while not self._found:
            if self._is_closed:
                raise StopAsyncIteration
            if self._past is not None:
                await self._history_patience(self._read_past)
            else:
                await self._read()
        return self._found.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def drain(self) -> None:
        """End; nothing is in hand."""
        await self.close()

    async def close(self) -> None:
        """End: a wait for the next message ends within a second."""
        self._is_closed = True
        self._found.clear()
        await self._patience.until_idle()

    async def _read_past(self) -> None:
        """Take one page from the history; after an error it begins anew, and what was given is not given again."""
        if self._past is None or self._history is None:
            return
        try:
            async for event in self._past:
                self._give(Message(event, source="journal"))
                if len(self._found) >= _PAGE:
                    return
        except OSError:
            self._past = self._history.since(*self._past_begin)
            raise
        self._past = None

    async def _read(self) -> None:
        await asyncio.sleep(self._rests_until - asyncio.get_running_loop().time())
        before = dict(self._last_ids)
        found: Any = await self._patience(lambda: self._redis.xread(before, count=_PAGE, block=_WAIT_MS))  # type: ignore[arg-type]
        if (
            not found or asyncio.get_running_loop().time() - self._epochs_seen_at > _WAIT_MS / 1000
        ) and await self._is_begun_anew():
            await self._skip()
            return
        full = {stream.decode() for stream, entries in found if len(entries) == _PAGE}
        if await self._is_trimmed(before, {stream.decode() for stream, _ in found}):
            await self._skip()
            return
        now = asyncio.get_running_loop().time()
        self._caught_up_at.update((stream, now) for stream in STREAM_KEYS if stream not in full)
        if found and not full:
            self._rests_until = now + REST_SECONDS
        for name, entries in found:
            stream = name.decode()
            partition = STREAM_KEYS.index(stream)
            for entry_id, fields in entries:
                self._last_ids[stream] = entry_id.decode()
                try:
                    event = Event.of_fields(fields)
                except MalformedEventError:
                    continue
                if event.epoch is not None and event.epoch.encode() != self._epochs[stream]:
                    await self._skip()
                    return
                self._give(Message(event, partition=partition, entry_id=entry_id_of(self._last_ids[stream])))

    def _give(self, message: Message) -> None:
        event = message.event
        mark = self._marks.of(event.entity)
        if (mark is not None and event.version <= mark) or event.time_ms < self._floor_ms:
            return
        self._marks.note(event.entity, event.version)
        self._newest_ms = max(self._newest_ms, event.time_ms)
        if self._subjects.matches(event.subject):
            self._found.append(message)

    async def _is_begun_anew(self) -> bool:
        self._epochs_seen_at = asyncio.get_running_loop().time()
        return await self._epochs_now() != self._epochs

    async def _is_trimmed(self, before: dict[str, str], streams: set[str]) -> bool:
        """Return whether entries may have been removed before they were read."""
        now = asyncio.get_running_loop().time()
        slow = [one for one in streams if now - self._caught_up_at.get(one, 0.0) > _CAUGHT_UP_SECONDS]
        for stream in slow:
            first: Any = await self._patience(lambda stream=stream: self._redis.xrange(stream, count=1))  # type: ignore[misc]
            if (
                before[stream] != BEGINNING
                and first
                and entry_id_of(first[0][0].decode()) > entry_id_of(before[stream])
            ):
                return True
        return False

    async def _skip(self) -> None:
        """Go on with what comes now; who hears of the gap reads anew what was before."""
        await self._go_to_end()
        # What is published again, of before, is not new; it is compared with other events' times, and no clock.
        self._floor_ms = max(self._floor_ms, self._newest_ms - SLACK_MS)
        self._found.append(Gap())

    async def _go_to_end(self) -> None:
        self._epochs = await self._epochs_now()
        for stream in STREAM_KEYS:
            last: Any = await self._patience(lambda stream=stream: self._redis.xrevrange(stream, count=1))  # type: ignore[misc]
            self._last_ids[stream] = last[0][0].decode() if last else BEGINNING
            if last:
                self._newest_ms = max(self._newest_ms, Event.of_fields(last[0][1]).time_ms)
            self._caught_up_at[stream] = asyncio.get_running_loop().time()

    async def _epochs_now(self) -> dict[str, bytes | None]:
        async def ask() -> list[bytes | None]:
            pipe = self._redis.pipeline(transaction=False)
            for key in EPOCH_KEYS:
                pipe.get(key)
            return await pipe.execute()

        return dict(zip(STREAM_KEYS, await self._patience(ask), strict=True))
