"""What one member has in memory of one partition: entries in lanes, and how far each entity is handled."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from holdfast.events.event import Event

MARKS = 10_000


class State(Enum):
    """Where an entry stands."""

    WAITING = auto()
    HANDED_OVER = auto()
    DELAYED = auto()
    SETTLING = auto()


@dataclass(slots=True, eq=False)
class Entry:
    """An event on its way to the consumer.

    It comes from an entry of `stream`, or, without one, from the journal. `deliveries` counts how often it was handed
    over. A silent one is only acknowledged, behind those before it.
    """

    event: Event
    partition: "Partition"
    stream: str | None = None
    entry_id: str = ""
    deliveries: int = 0
    is_silent: bool = False
    is_replay: bool = False
    closes_gap: bool = False
    error: str = ""
    state: State = State.WAITING
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        """Forget when it would be handed over again."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Marks:
    """Of each entity the last version that was handled; the entities that were quiet longest are forgotten.

    What was handled under a former lease need not be handled again, but others may have handled more since.
    """

    def __init__(self) -> None:
        self._versions: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lease = 0

    def begin_lease(self) -> "Marks":
        """Take what is known for old, and return the marks."""
        self._lease += 1
        return self

    def of(self, entity: str) -> int | None:
        """Return the last version that was handled here, or None if it is not known."""
        version, _ = self._versions.get(entity, (None, 0))
        return version

    def current(self, entity: str) -> int | None:
        """Return the last version that was handled anywhere, or None if it is not known."""
        version, lease = self._versions.get(entity, (None, 0))
        return version if lease == self._lease else None

    def note(self, entity: str, version: int) -> None:
        """Remember a version, unless a later one is known."""
        self._versions[entity] = max(version, self.of(entity) or 0), self._lease
        self._versions.move_to_end(entity)
        if len(self._versions) > MARKS:
            self._versions.popitem(last=False)


@dataclass(slots=True)
class Lane:
    """Entries that are handed over one after the other, and the last version that came from the market's stream."""

    seen: int | None
    entries: deque[Entry] = field(default_factory=deque)


class Partition:
    """The entries of one partition as one member holds them.

    In an ordered group each entity is a lane; in an unordered one each entry is. `value` is what the lease says.
    """

    def __init__(self, number: int, value: str, marks: Marks | None = None, *, is_ordered: bool = True) -> None:
        self.number = number
        self.value = value
        self.marks = marks or Marks()
        self.is_ordered = is_ordered
        self.is_open = True
        self.is_draining = False
        self.is_busy = False
        self.epoch = ""
        self.last_ids: dict[str, str] = {}
        self.covered_id = ""
        self.caught_up_at = float("-inf")
        self.trimmed: list[tuple[str, str]] = []
        self.handled_ms: int | None = None
        self._lanes: dict[str, Lane] = {}
        self._changed = asyncio.Event()

    @property
    def is_readable(self) -> bool:
        """Return whether new entries may be read."""
        return self.is_open and not self.is_draining and not self.is_busy

    def entries(self) -> Iterator[Entry]:
        """Return all entries that are not settled."""
        return (entry for lane in self._lanes.values() for entry in lane.entries)

    def seen(self, event: Event) -> int | None:
        """Return the last version of the event's entity that came, handled or not.

        Without order: the event's own, if it was handled.
        """
        name, _ = self.mark_of(event)
        lane = self._lanes.get(name)
        return self.marks.of(name) if lane is None else lane.seen

    def last(self, event: Event) -> int | None:
        """Return the last version of the event's entity that came to any member, or None if it is not known."""
        lane = self._lanes.get(event.entity)
        return self.marks.current(event.entity) if lane is None else lane.seen

    def add(self, entry: Entry) -> bool:
        """Put an entry at its lane's end; return whether it is the first there."""
        name = self._lane_of(entry)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(self.marks.current(name))
        if not entry.is_replay:
            lane.seen = max(entry.event.version, lane.seen or 0)
        lane.entries.append(entry)
        return len(lane.entries) == 1

    def pass_over(self, event: Event) -> None:
        """Take note of an event that is not handed over."""
        if not self.is_ordered:
            return
        lane = self._lanes.get(event.entity)
        if lane is None:
            self.marks.note(event.entity, event.version)
        else:
            lane.seen = max(event.version, lane.seen or 0)

    def settle(self, entry: Entry) -> Entry | None:
        """Take the first entry of a lane out of it; return the next one."""
        entry.stop_timer()
        name = self._lane_of(entry)
        lane = self._lanes[name]
        lane.entries.popleft()
        event = entry.event
        if not entry.is_replay:
            self.handled_ms = max(event.time_ms, self.handled_ms or 0)
            self.marks.note(*self.mark_of(event))
        self.changed()
        if lane.entries:
            return lane.entries[0]
        del self._lanes[name]
        if self.is_ordered and lane.seen is not None:
            self.marks.note(event.entity, lane.seen)
        return None

    def has_later_gap(self, entry: Entry) -> bool:
        """Return whether another gap of the entity is closed behind this entry."""
        lane = self._lanes.get(self._lane_of(entry))
        return lane is not None and any(one.closes_gap for one in lane.entries if one is not entry)

    def mark_of(self, event: Event) -> tuple[str, int]:
        """Return what is remembered of a handled event: without order every one of them."""
        return (event.entity, event.version) if self.is_ordered else (event.id, event.version)

    def close(self) -> int:
        """Forget all entries; return how many there were."""
        self.is_open = False
        count = 0
        for entry in self.entries():
            entry.stop_timer()
            count += 1
        self._lanes.clear()
        self.changed()
        return count

    def position_ms(self) -> int | None:
        """Return the commit time up to which all that came is handled, or None if nothing was."""
        if self.handled_ms is None:
            return None
        return min((entry.event.time_ms for entry in self.entries() if not entry.is_replay), default=self.handled_ms)

    def changed(self) -> None:
        """Have those look again who wait with `until`."""
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once it holds."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def until_out_of_hand(self) -> None:
        """Return once no message is with the consumer."""
        in_hand = {State.HANDED_OVER, State.SETTLING}
        await self.until(lambda: not any(entry.state in in_hand for entry in self.entries()))

    def _lane_of(self, entry: Entry) -> str:
        return entry.event.entity if self.is_ordered else f"{entry.stream} {entry.entry_id}"
