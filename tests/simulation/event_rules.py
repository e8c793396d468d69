"""What must hold of published events and of those who read them, as anybody would say it who reads the journal.

Nothing is lost: every published event of the journal is handled at least once by every consumer. First occurrences of
an entity are in the order of its versions, in the streams and at each consumer. A repeat is the same event.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from actors.events.published import is_published, published_event
from actors.events.redis_stream import SERVER_KEYS
from actors.runtime.ports import Commit, RecordedEvent
from holdfast.events import Event
from holdfast.events.keys import lease_key
from holdfast.events.partitions import EPOCH_KEYS, STREAM_KEYS, partition_of
from holdfast.events.subjects import Subjects
from tests.simulation.redis_data import RedisData
from tests.simulation.redis_streams import Fields
from tests.simulation.world import World


@dataclass
class Durable:
    """A consumer: what it subscribed to, and what of it nobody has handled yet."""

    subjects: Subjects
    # Versions of each entity, in order.
    expected: dict[str, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))


@dataclass
class EventRules:
    """Watches the journal, the streams, and every consumer."""

    world: World
    redis: RedisData
    source: str
    committed: dict[str, Event] = field(default_factory=dict)
    durables: dict[str, Durable] = field(default_factory=dict)
    checks: Counter[str] = field(default_factory=Counter)
    _last: dict[str, int] = field(default_factory=dict)

    def subscribed(self, durable: str, subjects: Subjects) -> None:
        """Somebody reads events from now on, from the first one."""
        if durable not in self.durables:
            self.durables[durable] = Durable(subjects)
            for event in self.committed.values():
                self._expect(self.durables[durable], event)

    def committed_to(self, commit: Commit) -> None:
        """Called in the instant in which a commit is in the journal."""
        for record in filter(is_published, commit.records):
            self._recorded(record)

    def _recorded(self, record: RecordedEvent) -> None:
        event = published_event(record, source=self.source, preceded_by=self._last.get(record.entity))
        self._last[record.entity] = record.version
        self.committed[event.id] = event
        for durable in self.durables.values():
            self._expect(durable, event)

    def added(self, stream: str, fields: Fields) -> None:
        """Called in the instant in which an event is in a stream."""
        if stream not in STREAM_KEYS:
            return
        self.checks["published"] += 1
        event = Event.of_fields(fields)
        if not self._is_committed(event, "published"):
            return
        number = partition_of(event.partition_key)
        if STREAM_KEYS[number] != stream:
            self.world.breaks(f"{event.id} was published in {stream}")
        epoch = (self.redis.get(EPOCH_KEYS[number]) or b"").decode()
        if event.epoch != epoch.partition(":")[0]:
            self.world.breaks(f"{event.id} was published in the epoch {epoch} as if in {event.epoch}")
        if self.redis.get(SERVER_KEYS[number]) != self.redis.run_id.encode():
            self.world.breaks(f"{event.id} was published on a server on which no epoch began")
        told = self.redis.streams[stream].told
        before = f"{event.entity}:{event.preceded_by}".encode()
        if event.preceded_by is not None and before not in told:
            self.world.breaks(f"{event.id} was published before version {event.preceded_by}")

    def make_hole(self, stream: str, event: Event) -> None:
        """Removes the event before this one if all consumers know the one before that, and nobody has read it yet."""
        own = self.redis.streams[stream]
        missing = self.committed.get(f"{event.entity}:{event.preceded_by}")
        if missing is None or missing.preceded_by is None:
            return
        before = f"{event.entity}:{missing.preceded_by}".encode()
        ids = {own.entries[entry_id][b"id"]: entry_id for entry_id in own.ids}
        lasts = [own.groups[name].last for name in self.durables if name in own.groups]
        hole, known = ids.get(missing.id.encode()), ids.get(before)
        if hole and known and len(lasts) == len(self.durables) and all(known <= last < hole for last in lasts):
            self.world.note("is removed", missing.id)
            own.remove(hole)

    def given(self, stream: str, group: str, consumer: str) -> None:
        """Called in the instant in which Redis gives new entries of an ordered group to a member."""
        self.checks["given"] += 1
        if stream in STREAM_KEYS:
            value = self.redis.get(lease_key(group, STREAM_KEYS.index(stream))) or b""
            if value.decode().rpartition(":")[0] != consumer:
                self.world.breaks(f"{consumer} was given entries of {stream}, which another member may read")

    def begins(self, durable: str, event: Event) -> None:
        """Called in the instant in which a consumer begins to handle an event."""
        self.checks["handled"] += 1
        expected = self.durables[durable].expected[event.entity]
        first = next(iter(expected), event.version)
        if self._is_committed(event, f"handed to {durable}") and first < event.version:
            self.world.breaks(f"{event.id} was handed to {durable} before version {first} was handled")

    def ends(self, durable: str, event: Event) -> None:
        """Called in the instant in which a consumer has handled an event."""
        self.durables[durable].expected[event.entity].pop(event.version, None)

    def pending(self) -> Iterator[str]:
        """What no consumer has handled, and what the streams lack."""
        for name, durable in self.durables.items():
            for entity, versions in durable.expected.items():
                for version in versions:
                    yield f"event {entity}:{version} for {name}"
        for event in self.committed.values():
            stream = self.redis.streams.get(STREAM_KEYS[partition_of(event.partition_key)])
            if stream is None or event.id.encode() not in stream.told:
                yield f"event {event.id} in its stream"

    @staticmethod
    def _expect(durable: Durable, event: Event) -> None:
        if durable.subjects.matches(event.subject):
            durable.expected[event.entity][event.version] = None

    def _is_committed(self, event: Event, what: str) -> bool:
        """Whether it is as the journal has it, so that repeats are the same."""
        committed = self.committed.get(event.id)
        if committed is None:
            self.world.breaks(f"{event.id} was {what} before it was in the journal")
            return False
        if committed != replace(event, epoch=None):
            self.world.breaks(f"{event.id} was {what} otherwise than the journal has it")
        return True
