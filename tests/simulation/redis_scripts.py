"""Our scripts as a simulated Redis runs them: each does here what its text says in Lua.

`tests/simulation/contracts` holds them to what a real Redis answers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack
from redis.exceptions import ResponseError

from actors.events import epochs, redis_stream
from holdfast.events import scripts
from holdfast.events.stream_position import entry_id_of
from tests.simulation.redis_data import RedisData, Value, as_bytes
from tests.simulation.redis_streams import NOTHING, Fields, Stream, text_of

Keys = Sequence[str]
Arguments = Sequence[Any]


def _append(data: RedisData, keys: Keys, arguments: Arguments) -> list[bytes]:
    epoch, rest = as_bytes(arguments[0]), iter(arguments[2:])
    run_id = as_bytes(data.run_id)
    added: list[tuple[str, list[Fields]]] = []
    for stream, epoch_key, server_key in zip(keys[::3], keys[1::3], keys[2::3], strict=True):
        if data.epochs_are_compared and data.get(epoch_key) != epoch:
            return [b"EPOCH"]
        if data.servers_are_compared and (data.get(server_key) or run_id) != run_id:
            return [b"SERVER"]
        last_id, entries = next(rest), msgpack.unpackb(next(rest), raw=True)
        if data.last_ids_are_compared and _lacks(data.streams.get(stream), last_id):
            data.delete(epoch_key)
            return [b"LOST"]
        added.append((stream, [_fields(values) for values in entries]))
    return [b"OK", *(text_of([data.add(stream, fields) for fields in entries][-1]) for stream, entries in added)]


def _lacks(stream: Stream | None, entry_id: str) -> bool:
    if not entry_id:
        return False
    wanted = entry_id_of(entry_id)
    if stream is None:
        return True
    if wanted in stream.entries:
        return False
    return (stream.ids[0] if stream.ids else stream.last) < wanted


def _fields(values: Sequence[Value]) -> Fields:
    return {as_bytes(name): as_bytes(value) for name, value in zip(values[::2], values[1::2], strict=True)}


def _look(data: RedisData, keys: Keys, _arguments: Arguments) -> list[list[bytes]]:
    half = len(keys) // 2
    return [
        [data.get(epoch_key) or b"", text_of(data.streams[stream].last if stream in data.streams else NOTHING)]
        for epoch_key, stream in zip(keys[:half], keys[half:], strict=True)
    ]


def _begin(data: RedisData, keys: Keys, arguments: Arguments) -> None:
    count = len(keys) // 3
    for stream in keys[count : 2 * count]:
        data.delete(stream)
    for epoch_key, server_key in zip(keys[:count], keys[2 * count :], strict=True):
        data.set(epoch_key, arguments[0])
        data.set(server_key, data.run_id)


def _open(data: RedisData, keys: Keys, arguments: Arguments) -> int:
    (found, epoch), count = arguments, len(keys) // 2
    wanted = [as_bytes(found)] * count + [as_bytes(data.run_id)] * count
    if [data.get(key) for key in keys] != wanted:
        return 0
    for epoch_key in keys[:count]:
        data.set(epoch_key, epoch)
    return 1


def _holds(data: RedisData, key: str, value: str) -> bool:
    return not data.leases_are_compared or data.get(key) == as_bytes(value)


def _make(data: RedisData, keys: Keys, arguments: Arguments) -> int:
    group, start, kept = arguments
    stream = data.streams.setdefault(keys[0], Stream())
    if group in stream.groups:
        return 0
    data.xgroup_create(keys[0], group, start, mkstream=True)
    data.hdel(keys[1], *(field for field in data.hgetall(keys[1]) if field != as_bytes(kept)))
    return 1


def _read(data: RedisData, keys: Keys, arguments: Arguments) -> list[Any]:
    (name, lease, epoch_key), (group, value, consumer, count, epoch, covered, last_id) = keys, arguments
    if value and not _holds(data, lease, value):
        return [b"lost"]
    found = data.get(epoch_key) or b""
    if found != as_bytes(epoch):
        return [b"epoch", found]
    stream = data.streams.get(name, Stream())
    if covered and (stream.ids[0] if stream.ids else stream.last) > entry_id_of(covered):
        return [b"trimmed", text_of(stream.last)]
    last = text_of(stream.groups[group].last) if group in stream.groups else b""
    if value and last and last != as_bytes(last_id):
        return [b"behind"]
    ids = data.stream(name).read(group, consumer, int(count), data.now_ms())
    if ids:
        data.when_given(name, group, consumer)
    return [b"entries", text_of(ids[-1]) if ids else last, [[text_of(one), _flat(stream.entries[one])] for one in ids]]


def _take_over(data: RedisData, keys: Keys, arguments: Arguments) -> list[Any]:
    (name, lease, epoch_key), (group_name, value, consumer, idle) = keys, arguments
    if not _holds(data, lease, value):
        return [b"lost"]
    stream = data.stream(name)
    group = stream.group(group_name)
    stream.claim(group_name, consumer, list(group.pending), data.now_ms())
    for idle_one in group.idle_consumers(data.now_ms() - int(idle)):
        del group.consumers[idle_one]
    entries = [
        [text_of(one), pending.deliveries, _flat(stream.entries[one]) if one in stream.entries else None]
        for one, pending in sorted(group.pending.items())
    ]
    return [b"taken", data.get(epoch_key) or b"", text_of(group.last), entries]


def _flat(fields: Mapping[bytes, bytes]) -> list[bytes]:
    return [part for pair in fields.items() for part in pair]


def _ack(data: RedisData, keys: Keys, arguments: Arguments) -> int:
    (name, lease), (group_name, value, _consumer, removes, *entry_ids) = keys, arguments
    if not _holds(data, lease, value):
        return -1
    stream = data.streams.get(name, Stream())
    for entry_id in entry_ids:
        if group_name in stream.groups:
            stream.groups[group_name].pending.pop(entry_id_of(entry_id), None)
        if removes == "1":
            stream.remove(entry_id_of(entry_id))
    return 1


def _forget(data: RedisData, keys: Keys, arguments: Arguments) -> int:
    if data.get(keys[1]) == as_bytes(arguments[1]):
        data.hdel(keys[0], arguments[0])
    return 1


def _renew(data: RedisData, keys: Keys, arguments: Arguments) -> int:
    return data.pexpire(keys[0], int(arguments[1])) if data.get(keys[0]) == as_bytes(arguments[0]) else 0


def _release(data: RedisData, keys: Keys, arguments: Arguments) -> int:
    if data.get(keys[0]) == as_bytes(arguments[0]):
        data.delete(keys[0])
    return 1


_SCRIPTS: Mapping[str, Callable[[RedisData, Keys, Arguments], Any]] = {
    redis_stream._APPEND: _append,
    epochs._LOOK: _look,
    epochs._BEGIN: _begin,
    epochs._OPEN: _open,
    scripts.MAKE: _make,
    scripts.READ: _read,
    scripts.TAKE_OVER: _take_over,
    scripts.ACK: _ack,
    scripts.FORGET: _forget,
    scripts.RENEW: _renew,
    scripts.RELEASE: _release,
}


def evaluate(data: RedisData, text: str, number_of_keys: int, *values: Any) -> Any:  # noqa: ANN401 - as EVAL
    """What EVAL answers. Raises ResponseError."""
    if text not in _SCRIPTS:
        raise ResponseError("this simulation does not know the script")
    return _SCRIPTS[text](data, values[:number_of_keys], values[number_of_keys:])
