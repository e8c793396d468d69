"""Redis in a simulation: one stream of events. It holds to the same contract tests as the real one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import orjson

from actors.events.redis_stream import _FIELDS, INTERNAL, _values
from actors.events.subscription import BATCH, WAIT_MS, Handle, StreamEvent
from actors.runtime.ports import RecordedEvent
from tests.simulation.database import Tables
from tests.simulation.stores import Caller


@dataclass
class Stream:
    """What was appended, in order."""

    entries: list[RecordedEvent] = field(default_factory=list)
    when_added: Callable[[RecordedEvent], None] = lambda _: None

    def add(self, records: Sequence[RecordedEvent]) -> None:
        for record in records:
            self.entries.append(record)
            self.when_added(record)


class FakeEventStream:
    """See runtime.ports.EventStream. A pipeline is no transaction: it may be carried out in part."""

    def __init__(self, server: Caller, stream: Stream, random: Random) -> None:
        self._server = server
        self._stream = stream
        self._random = random

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        records = [record for record in records if not isinstance(record.event, INTERNAL)]
        cut = self._random.randrange(len(records) + 1) if len(records) > 1 else 0
        for part in (records[:cut], records[cut:]):
            if part:
                await self._server.call("stream.add", partial(self._stream.add, part))


class FakeSubscription:
    """See events.subscription.Subscription. A position is the number of entries before it."""

    def __init__(  # noqa: PLR0913 - as the real one, and the servers' contents
        self,
        name: str,
        types: Sequence[str],
        handle: Handle,
        *,
        redis: Caller,
        stream: Stream,
        database: Caller,
        tables: Tables,
    ) -> None:
        self._name = name
        self._types = frozenset(types)
        self._redis = redis
        self._stream = stream
        self._database = database
        self._positions = tables.positions
        self._handle = handle
        self._position: int | None = None

    async def wait_and_handle(self) -> None:
        """Handle one batch, or wait for a second."""
        if not await self.step():
            await asyncio.sleep(WAIT_MS / 1000)

    async def step(self) -> int:
        """Handle one batch and keep the position behind it; return how many entries there were."""
        if self._position is None:
            self._position = await self._database.call("positions.kept", lambda: self._positions.get(self._name, 0))
        begin = self._position
        entries = await self._redis.call("stream.read", lambda: self._stream.entries[begin : begin + BATCH])
        end = begin + len(entries)
        events = [event for event in map(_as_read, entries) if event.type in self._types]
        if events:
            await self._handle(events)
            await self._database.call("positions.keep", lambda: self._positions.update({self._name: end}))
        self._position = end
        return len(entries)


def _as_read(record: RecordedEvent) -> StreamEvent:
    fields: dict[str, Any] = dict(zip(_FIELDS, _values(record), strict=True))
    return StreamEvent(fields["type"], record.entity, record.version, record.at, orjson.loads(fields["data"]))
