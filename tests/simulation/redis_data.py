"""What one Redis server of a simulation has, and the commands that we use of it.

Each method is one command, with the arguments and the answer of redis-py, and atomic. The switches are for negative
controls: a real server has none.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from holdfast.events.stream_position import EntryId
from tests.simulation.redis_streams import Fields, Group, Stream, bound_of, no_group, text_of

Value = str | bytes | int
_NEVER = float("inf")
_NONE = None, _NEVER

Entries = list[tuple[bytes, Fields]]


@dataclass
class RedisData:
    """A server: its clock in ms, its name, and its keys."""

    now_ms: Callable[[], int]
    run_id: str = "1"
    streams: dict[str, Stream] = field(default_factory=dict)
    # Values, and when each ends.
    strings: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    hashes: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    scores: dict[str, dict[bytes, float]] = field(default_factory=dict)
    epochs_are_compared: bool = True
    servers_are_compared: bool = True
    last_ids_are_compared: bool = True
    leases_are_compared: bool = True
    # Told of what is added to a stream, and of new entries that a member of a group is given.
    when_added: Callable[[str, Fields], None] = lambda _stream, _fields: None
    when_given: Callable[[str, str, str], None] = lambda _stream, _group, _consumer: None
    _waiting: dict[asyncio.Future[None], frozenset[str]] = field(default_factory=dict)

    def snapshot(self) -> Callable[[], None]:
        """Keeps what is there now; what is returned puts it back."""
        streams = {key: stream.copied() for key, stream in self.streams.items()}
        strings, hashes = dict(self.strings), {key: dict(kept) for key, kept in self.hashes.items()}
        scores = {key: dict(kept) for key, kept in self.scores.items()}

        def put_back() -> None:
            self.streams, self.strings, self.hashes, self.scores = streams, strings, hashes, scores

        return put_back

    def flushall(self) -> None:
        for kept in (self.streams, self.strings, self.hashes, self.scores):
            kept.clear()

    # Keys

    def get(self, name: str) -> bytes | None:
        value, ends = self.strings.get(name, _NONE)
        if ends != _NEVER and ends <= self.now_ms():
            del self.strings[name]
            return None
        return value

    def set(self, name: str, value: Value, *, nx: bool = False, px: int | None = None) -> bool | None:
        if nx and self.get(name) is not None:
            return None
        self.strings[name] = as_bytes(value), _NEVER if px is None else self.now_ms() + px
        return True

    def mset(self, mapping: Mapping[str, Value]) -> None:
        for name, value in mapping.items():
            self.set(name, value)

    def pexpire(self, name: str, milliseconds: int) -> int:
        value = self.get(name)
        if value is None:
            return 0
        self.strings[name] = value, self.now_ms() + milliseconds
        return 1

    def exists(self, name: str) -> int:
        return int(any(name in kept for kept in (self.streams, self.hashes, self.scores)) or self.get(name) is not None)

    def delete(self, name: str) -> int:
        is_there = self.exists(name)
        kinds: tuple[dict[str, Any], ...] = (self.streams, self.strings, self.hashes, self.scores)
        for kept in kinds:
            kept.pop(name, None)
        return is_there

    unlink = delete

    def hset(self, name: str, *, mapping: Mapping[str, Value]) -> None:
        kept = self.hashes.setdefault(name, {})
        kept.update({as_bytes(key): as_bytes(value) for key, value in mapping.items()})

    def hgetall(self, name: str) -> dict[bytes, bytes]:
        return dict(self.hashes.get(name, {}))

    def hsetnx(self, name: str, key: str, value: Value) -> int:
        is_new = as_bytes(key) not in self.hashes.get(name, {})
        if is_new:
            self.hset(name, mapping={key: value})
        return int(is_new)

    def hdel(self, name: str, *keys: Value) -> None:
        kept = self.hashes.get(name, {})
        for key in keys:
            kept.pop(as_bytes(key), None)
        if not kept:
            self.hashes.pop(name, None)

    def zadd(self, name: str, mapping: Mapping[str, float]) -> None:
        kept = self.scores.setdefault(name, {})
        kept.update({as_bytes(key): float(score) for key, score in mapping.items()})

    def zrange(self, name: str, start: int, end: int) -> list[bytes]:
        kept = self.scores.get(name, {})
        ordered = sorted(kept, key=lambda key: (kept[key], key))
        return ordered[start : None if end == -1 else end + 1]

    def zrem(self, name: str, key: Value) -> None:
        self.scores.get(name, {}).pop(as_bytes(key), None)

    def zremrangebyscore(self, name: str, _lowest: str, highest: float) -> None:
        kept = self.scores.get(name, {})
        for key in [key for key, score in kept.items() if score <= highest]:
            del kept[key]

    def time(self) -> tuple[int, int]:
        now = self.now_ms()
        return now // 1000, now % 1000 * 1000

    def info(self, _section: str) -> dict[str, str]:
        return {"run_id": self.run_id}

    # Streams

    def stream(self, name: str) -> Stream:
        """Raises ResponseError when there is none."""
        if name not in self.streams:
            raise no_group(name)
        return self.streams[name]

    def add(self, name: str, fields: Fields) -> EntryId:
        """Appends an entry, and wakes those who wait for one."""
        entry_id = self.streams.setdefault(name, Stream()).add(fields, self.now_ms())
        for waiting in [one for one, names in self._waiting.items() if name in names]:
            del self._waiting[waiting]
            waiting.set_result(None)
        self.when_added(name, fields)
        return entry_id

    def xadd(self, name: str, fields: Mapping[str, Value], **_bounds: int) -> bytes:
        # Few enough entries never come to a bound.
        return text_of(self.add(name, {as_bytes(key): as_bytes(value) for key, value in fields.items()}))

    def xlen(self, name: str) -> int:
        return len(self.streams[name].ids) if name in self.streams else 0

    def xdel(self, name: str, entry_id: str) -> None:
        if name in self.streams:
            self.streams[name].remove(bound_of(entry_id))

    def xrange(self, name: str, first: str = "-", last: str = "+", count: int | None = None) -> Entries:
        stream = self.streams.get(name, Stream())
        return _entries(stream, stream.between(bound_of(first), bound_of(last), count))

    def xtrim(self, name: str, *, maxlen: int | None = None, minid: int | None = None, approximate: bool = True) -> int:
        stream = self.streams.get(name)
        # About as many: Redis removes no node that has an entry to be kept.
        if stream is None or approximate:
            return 0
        count = len(stream.between((0, 0), ((minid or 0) - 1, 0))) if maxlen is None else len(stream.ids) - maxlen
        stream.trim(max(0, count))
        return max(0, count)

    def memory_usage(self, name: str) -> int | None:
        """Far below any bound."""
        return 1 if name in self.streams else None

    def xgroup_create(self, name: str, group: str, start: str, *, mkstream: bool) -> None:
        if mkstream:
            self.streams.setdefault(name, Stream())
        stream = self.stream(name)
        if group in stream.groups:
            raise ResponseError("BUSYGROUP Consumer Group name already exists")
        stream.groups[group] = Group(stream.last if start == "$" else bound_of(start))

    def xinfo_groups(self, name: str) -> list[dict[str, Any]]:
        if name not in self.streams:
            raise ResponseError("no such key")
        groups = self.streams[name].groups
        return [{"name": group.encode(), "last-delivered-id": text_of(one.last)} for group, one in groups.items()]

    def xclaim(  # noqa: PLR0913 - as redis-py has it
        self,
        name: str,
        group: str,
        consumer: str,
        _idle: int,
        entry_ids: list[str],
        *,
        justid: bool,  # noqa: ARG002 - always
        retrycount: int | None = None,
        idle: int | None = None,  # noqa: ARG002 - only groups without order go by it
    ) -> list[bytes]:
        ids = [bound_of(entry_id) for entry_id in entry_ids]
        claimed = self.stream(name).claim(group, consumer, ids, self.now_ms(), retrycount)
        return [text_of(entry_id) for entry_id in claimed]

    def xread(self, last_ids: Mapping[str, str], count: int) -> list[tuple[bytes, Entries]]:
        """What there is behind these."""
        found = []
        for name, last_id in last_ids.items():
            stream = self.streams.get(name)
            if stream is not None and stream.ids and stream.ids[-1] > (last := bound_of(last_id)):
                found.append((name.encode(), _entries(stream, stream.after(last, count))))
        return found

    async def wait(self, names: frozenset[str], seconds: float) -> bool:
        """Whether something is added to one of these streams within the time."""
        added: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[added] = names
        try:
            await asyncio.wait([added], timeout=seconds)
        finally:
            self._waiting.pop(added, None)
        return added.done()


def as_bytes(value: Value | float) -> bytes:
    """As Redis keeps it."""
    return value if isinstance(value, bytes) else str(value).encode()


def _entries(stream: Stream, ids: list[EntryId]) -> Entries:
    return [(text_of(entry_id), stream.entries[entry_id]) for entry_id in ids]
