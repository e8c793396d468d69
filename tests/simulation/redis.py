"""Redis in a simulation: one stream of events. It holds to the same contract tests as the real one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from actors.events.consumer import Handle
from actors.events.published import is_published, published_event
from actors.runtime.ports import RecordedEvent
from holdfast.events.subjects import Subjects
from tests.simulation.database import Tables
from tests.simulation.stores import Caller

BATCH = 500
WAIT_SECONDS = 1.0


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
        records = [record for record in records if is_published(record)]
        cut = self._random.randrange(len(records) + 1) if len(records) > 1 else 0
        for part in (records[:cut], records[cut:]):
            if part:
                await self._server.call("stream.add", partial(self._stream.add, part))


class FakeConsumer:
    """See events.consumer.Consumer. A position is the number of entries before it."""

    def __init__(  # noqa: PLR0913 - as the real one, and the servers' contents
        self,
        durable: str,
        subjects: Sequence[str],
        handle: Handle,
        *,
        redis: Caller,
        stream: Stream,
        database: Caller,
        tables: Tables,
    ) -> None:
        self._durable = durable
        self._subjects = Subjects(subjects)
        self._redis = redis
        self._stream = stream
        self._database = database
        self._positions = tables.positions
        self._handle = handle
        self._position: int | None = None

    async def run_once(self) -> None:
        """Handle what there is and keep the position behind each event, or wait for a second."""
        if self._position is None:
            self._position = await self._database.call("positions.kept", lambda: self._positions.get(self._durable, 0))
        begin = self._position
        entries = await self._redis.call("stream.read", lambda: self._stream.entries[begin : begin + BATCH])
        for record in entries:
            event = published_event(record, source="", preceded_by=None)
            end = self._position + 1
            if self._subjects.matches(event.subject):
                await self._handle([event])
                await self._database.call("positions.keep", partial(self._positions.update, {self._durable: end}))
            self._position = end
        if not entries:
            await asyncio.sleep(WAIT_SECONDS)

    async def close(self) -> None:
        """A position is all that is kept."""
