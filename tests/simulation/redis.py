"""Redis in a simulation: one stream of events. It holds to the same contract tests as the real one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from actors.events.redis_stream import INTERNAL
from actors.runtime.ports import RecordedEvent
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
