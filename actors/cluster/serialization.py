"""Messages on their way between processes, which may be of different releases: bytes, in place of what Ray pickles.

Ray's pickler takes six times as long for the answer to a reservation, Python's four times for dataclasses with slots.
So a batch names each class once, with its fields, and a message in it is a tuple of their values.

A process of an older release passes over the fields that it does not know. Of a state it keeps them; a command with one
that is not empty it does not understand, since the field may say what must not be done. What is not understood is
NotUnderstood, by itself: the other messages of its batch are.
"""

import io
import pickle
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, get_args

from bson import Int64

from actors.cluster.heartbeat import Heartbeat
from actors.domain import (
    answers,
    charge_commands,
    charge_values,
    codec,
    purchase_commands,
    refusals,
    ticket,
    ticket_commands,
    ticket_values,
)
from actors.runtime.host import Counters
from actors.runtime.signals import Signals
from actors.runtime.trace import Traced, message_of, traceparent_of

VERSION = 1
# The version and the number of messages: so much every release can read of every other.
_HEADER = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Stands for a message that this release does not know; `why` is for the log."""

    why: str


def pack(values: Sequence[Any]) -> bytes:
    """Return the messages for another process of this market."""
    packed = io.BytesIO()
    packed.write(_HEADER.pack(VERSION, len(values)))
    pickler = pickle.Pickler(packed, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TELLERS
    pickler.dump([message_of(value) for value in values])
    # Behind the messages, where a release that knows nothing of them does not look.
    traceparents = [traceparent_of(value) or "" for value in values]
    if any(traceparents):
        packed.write("\n".join(traceparents).encode())
    return packed.getvalue()


def unpack(packed: bytes) -> list[Any]:
    """Return the messages that `pack` was given, each that this release does not know as NotUnderstood.

    To be given nothing that comes from outside: Ray lets in only who has its token.
    """
    version, count = _HEADER.unpack_from(packed)
    if version != VERSION:
        return [NotUnderstood(f"version {version} of the wire")] * count
    stream = io.BytesIO(memoryview(packed)[_HEADER.size :])
    unpickler = _Unpickler(stream)
    try:
        values: list[Any] = list(unpickler.load())
    except pickle.UnpicklingError as error:
        return [NotUnderstood(str(error))] * count
    if unpickler.doubts:
        values = [_doubt_in(value) or value for value in values]
    traceparents = stream.read().decode()
    return _traced(values, traceparents.split("\n")) if traceparents else values


def _traced(values: Sequence[Any], traceparents: Sequence[str]) -> list[Any]:
    return [
        Traced(value, traceparent) if traceparent and not isinstance(value, NotUnderstood) else value
        for value, traceparent in zip(values, traceparents, strict=True)
    ]


def _doubt_in(value: Any) -> NotUnderstood | None:  # noqa: ANN401 - any part of a message
    """Return what is not understood in a message, if it was not passed over."""
    if isinstance(value, NotUnderstood):
        return value
    parts: Sequence[Any] = ()
    if isinstance(value, (list, tuple)):
        parts = value
    elif is_dataclass(value):
        parts = [getattr(value, each.name) for each in fields(value)]
    return next((doubt for part in parts if (doubt := _doubt_in(part))), None)


# How a class is told of, by its name and the names of its fields, and what the other process makes of that.


# A name never changes its meaning, since other releases send it: a class that is renamed keeps it.
_RENAMED: Mapping[type[Any], str] = {
    Heartbeat: "Pulse",
    ticket_commands.ActivateTicket: "WakeTicket",
    ticket_commands.CancelSale: "Revoke",
    refusals.NotOwner: "NotYours",
    refusals.OrderClosed: "OrderOver",
    charge_commands.ReverseCharge: "Settle",
    charge_commands.ScheduleRetry: "StartTry",
    refusals.SellerCannotBuy: "OwnTicket",
    refusals.ShowStarted: "EventBegun",
    ticket_values.TicketDetails: "Details",
}


def _name_of(cls: type[Any]) -> str:
    return _RENAMED.get(cls, cls.__name__)


class _Schema:
    """A class with its fields; a batch has it once."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self.names = tuple(each.name for each in fields(cls))
        self.is_command = cls in _COMMANDS

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, tuple[str, ...]]]:
        return _maker, (_name_of(self.cls), self.names)

    def __call__(self, *values: object) -> object:
        """Make an instance. Only pickle wants to know that this can be called: the other process does."""
        return self.cls(*values)

    def make(self, names: Sequence[str], *values: object) -> object:
        """Return the instance of another release's fields, or NotUnderstood."""
        given = dict(zip(names, values, strict=True))
        unknown = {name: given.pop(name) for name in names if name not in self.names}
        name = _name_of(self.cls)
        if self.is_command and any(unknown.values()):
            return NotUnderstood(f"{name} with {', '.join(unknown)}")
        if doubt := _doubt_in(list(given.values())):
            return doubt
        try:
            if any(value is not None for value in unknown.values()) and self.cls in codec.WRITTEN_BACK:
                return _doubt_in(list(unknown.values())) or codec.with_unknown(self.cls, given, codec.stored(unknown))
            return self.cls(**given)
        except TypeError:
            return NotUnderstood(f"{name} without what it needs")


_Doubts = list[NotUnderstood]


def _maker(doubts: _Doubts, name: str, names: tuple[str, ...]) -> Callable[..., Any]:
    schema = _SCHEMAS.get(name)
    if schema is not None and names == schema.names:
        return schema.cls
    doubts.append(NotUnderstood(name))
    return partial(schema.make, names) if schema is not None else lambda *_: NotUnderstood(name)


def _member(doubts: _Doubts, name: str, value: str) -> StrEnum | NotUnderstood:
    try:
        return _ENUMS[name](value)
    except (KeyError, ValueError):
        doubts.append(NotUnderstood(f"{value} of {name}"))
        return doubts[-1]


def _number(_doubts: _Doubts, number: int) -> int:
    return number


def _state(doubts: _Doubts, name: str, document: codec.Document) -> Any:  # noqa: ANN401 - one of several classes
    try:
        return codec.decode(_SCHEMAS[name].cls, document)
    except (KeyError, codec.UnreadableError):
        doubts.append(NotUnderstood(name))
        return doubts[-1]


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.doubts: _Doubts = []

    def find_class(self, _module: str, name: str) -> Callable[..., Any]:
        """Return one of our own: a release may have it in another module, and whatever else is asked for is refused."""
        if name not in _MAKERS:
            raise pickle.UnpicklingError(f"{name} is not of the wire")
        return partial(_MAKERS[name], self.doubts)


_MAKERS: Mapping[str, Callable[..., Any]] = {each.__name__: each for each in (_maker, _member, _number, _state)}


def _values_of(schema: _Schema) -> Callable[[Any], tuple[_Schema, tuple[Any, ...]]]:
    """Return what tells of an instance: its class as a schema, and the values of its fields."""
    if not schema.names:
        return lambda _: (schema, ())
    read = attrgetter(*schema.names)
    if len(schema.names) == 1:
        return lambda one: (schema, (read(one),))
    return lambda one: (schema, read(one))


def _name_and_value(one: StrEnum) -> tuple[Callable[..., Any], tuple[str, str]]:
    return _member, (type(one).__name__, one.value)


def _tell_of_state(name: str, one: object) -> tuple[Callable[..., Any], tuple[str, codec.Document]]:
    return _state, (name, codec.encode(one))


_MODULES = (
    answers, charge_commands, charge_values, purchase_commands, refusals, ticket, ticket_commands, ticket_values
)  # fmt: skip
_CLASSES = [
    each
    for each in (*chain.from_iterable(vars(module).values() for module in _MODULES), Heartbeat, Counters, Signals)
    if isinstance(each, type)
]
_COMMANDS = frozenset(
    get_args(ticket_commands.TicketCommand)
    + get_args(purchase_commands.PurchaseCommand)
    + get_args(charge_commands.PaymentCommand)
)
_SCHEMAS = {_name_of(each): _Schema(each) for each in _CLASSES if is_dataclass(each)}
_ENUMS = {each.__name__: each for each in _CLASSES if issubclass(each, StrEnum)}


# How each class is told of. Others that pickle them, such as Ray, do it in their own way.
_TELLERS: dict[type[Any], Callable[[Any], Any]] = {
    **{schema.cls: _values_of(schema) for schema in _SCHEMAS.values()},
    **dict.fromkeys(_ENUMS.values(), _name_and_value),
    # How pymongo reads large numbers.
    Int64: lambda number: (_number, (int(number),)),
    # A state with fields that this release does not know travels as it is stored.
    **{codec.keeper(cls): partial(_tell_of_state, _name_of(cls)) for cls in codec.WRITTEN_BACK},
}
