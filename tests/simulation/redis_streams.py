"""Streams of a simulated Redis: entries, and the groups that read them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache

from redis.exceptions import ResponseError

from holdfast.events.stream_position import EntryId, entry_id_of

NOTHING: EntryId = (0, 0)
HIGHEST: EntryId = (2**64 - 1, 2**64 - 1)

Fields = dict[bytes, bytes]


@dataclass(slots=True)
class Pending:
    """An entry that a consumer was given and has not acknowledged."""

    consumer: str
    deliveries: int


@dataclass(slots=True)
class Group:
    """How far a group has read, and what is pending."""

    last: EntryId
    pending: dict[EntryId, Pending] = field(default_factory=dict)
    # When each consumer was last heard of, in ms.
    consumers: dict[str, int] = field(default_factory=dict)

    def idle_consumers(self, before: int) -> list[str]:
        """Those that have nothing and were not heard of since."""
        busy = {one.consumer for one in self.pending.values()}
        return [name for name, at in self.consumers.items() if at < before and name not in busy]


@dataclass
class Stream:
    """Entries by id, in order. `told` are the events that were ever in it, for those who watch."""

    ids: list[EntryId] = field(default_factory=list)
    entries: dict[EntryId, Fields] = field(default_factory=dict)
    last: EntryId = NOTHING
    groups: dict[str, Group] = field(default_factory=dict)
    told: set[bytes] = field(default_factory=set)

    def copied(self) -> "Stream":
        """What a snapshot has of it."""
        own = copy(self)
        own.ids, own.entries, own.told = list(self.ids), dict(self.entries), set(self.told)
        own.groups = {
            name: Group(one.last, {at: copy(pending) for at, pending in one.pending.items()}, dict(one.consumers))
            for name, one in self.groups.items()
        }
        return own

    def add(self, fields: Fields, now: int) -> EntryId:
        """Appends an entry, whose id is its time unless the last one is later."""
        self.last = (now, 0) if now > self.last[0] else (self.last[0], self.last[1] + 1)
        self.ids.append(self.last)
        self.entries[self.last] = fields
        self.told.add(fields.get(b"id", b""))
        return self.last

    def between(self, first: EntryId, last: EntryId = HIGHEST, count: int | None = None) -> list[EntryId]:
        """The ids from the first to the last, both included."""
        begin, end = bisect_left(self.ids, first), bisect_right(self.ids, last)
        return self.ids[begin : end if count is None else min(end, begin + count)]

    def after(self, entry_id: EntryId, count: int | None = None) -> list[EntryId]:
        """The ids behind this one."""
        return self.between((entry_id[0], entry_id[1] + 1), count=count)

    def remove(self, entry_id: EntryId) -> None:
        """Removes an entry if it is there. In groups it stays pending."""
        if self.entries.pop(entry_id, None) is not None:
            del self.ids[bisect_left(self.ids, entry_id)]

    def trim(self, count: int) -> None:
        """Removes so many entries from the beginning."""
        for entry_id in self.ids[:count]:
            del self.entries[entry_id]
        del self.ids[:count]

    def group(self, name: str) -> Group:
        """Raises ResponseError when there is no such group."""
        if name not in self.groups:
            raise no_group(name)
        return self.groups[name]

    def read(self, group_name: str, consumer: str, count: int, now: int) -> list[EntryId]:
        """Gives the next entries to a consumer. Raises ResponseError."""
        group = self.group(group_name)
        group.consumers[consumer] = now
        ids = self.after(group.last, count)
        for entry_id in ids:
            group.last = entry_id
            group.pending[entry_id] = Pending(consumer, 1)
        return ids

    def claim(
        self, group_name: str, consumer: str, ids: Iterable[EntryId], now: int, deliveries: int | None = None
    ) -> list[EntryId]:
        """Makes pending entries the consumer's, also those that were trimmed. Raises ResponseError."""
        group = self.group(group_name)
        group.consumers[consumer] = now
        claimed = [one for one in ids if one in group.pending]
        for entry_id in claimed:
            pending = group.pending[entry_id]
            pending.consumer = consumer
            if deliveries is not None:
                pending.deliveries = deliveries
        return claimed


def no_group(name: str) -> ResponseError:
    """What Redis answers when there is no such stream or group."""
    return ResponseError(f"NOGROUP No such key or consumer group '{name}'")


def text_of(entry_id: EntryId) -> bytes:
    """As Redis writes it."""
    return b"%d-%d" % entry_id


@lru_cache(maxsize=4096)
def bound_of(text: str) -> EntryId:
    """The id that a command names: `-`, `+`, `(<id>` for what is behind it, or an id without its second number."""
    if text in {"-", "+"}:
        return NOTHING if text == "-" else HIGHEST
    if text.startswith("("):
        ms, seq = entry_id_of(text[1:])
        return (ms, seq + 1)
    return entry_id_of(text if "-" in text else f"{text}-0")
