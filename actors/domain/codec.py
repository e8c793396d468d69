"""Events and states as plain documents, field by field, and back. The only place that knows the stored names."""

from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from sys import intern
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_type_hints

from actors.domain import messages

Document = dict[str, Any]
T = TypeVar("T")

# Nearly every field is one of these; most of the work of a turn is to write its events down.
_PLAIN = frozenset({str, int, bool})
# Texts that many tickets have in common, kept once: 6 % of the memory of one that is held.
_SHARED = frozenset({"currency", "category", "city", "venue", "commit"})
EVENT_TYPES = {event.__name__: event for event in get_args(messages.Event)}


def encode(value: Any) -> Document:  # noqa: ANN401 - any message
    """The document of a message or state, without fields that are None."""
    document: Document = {}
    for name in _names(cast("Hashable", type(value))):
        field = getattr(value, name)
        kind = type(field)
        if kind in _PLAIN:
            document[name] = field
        elif field is not None:
            document[name] = _writer(cast("Hashable", kind))(field)
    return document


def decode(cls: type[T], document: Document) -> T:
    """The message or state of a document that `encode` made; fields that it lacks take their defaults."""
    readers = _readers(cast("Hashable", cls))
    return cls(**{name: readers[name](value) for name, value in document.items() if name in readers})


def encode_event(event: messages.Event) -> Document:
    """The event as {type, data}."""
    return {"type": type(event).__name__, "data": encode(event)}


def decode_event(document: Document) -> messages.Event:
    """The event of a document that `encode_event` made. Raises KeyError for a type that does not exist."""
    event: messages.Event = decode(EVENT_TYPES[document["type"]], document["data"])
    return event


@cache
def _writer(kind: Hashable) -> Callable[[Any], Any]:
    """What is stored of a field of this type."""
    cls = cast("type[Any]", kind)
    if issubclass(cls, StrEnum):
        return attrgetter("value")
    if issubclass(cls, tuple):
        return list
    return encode if is_dataclass(cls) else _as_it_is


@cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cast("Any", cls)))


@cache
def _readers(cls: Hashable) -> dict[str, Callable[[Any], Any]]:
    hints = get_type_hints(cls)
    return {name: intern if name in _SHARED else _reader(hints[name]) for name in _names(cls)}


def _reader(hint: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - a type hint
    if isinstance(hint, UnionType):
        (hint,) = (member for member in get_args(hint) if member is not NoneType)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if is_dataclass(hint):
        return lambda document: decode(hint, document)  # type: ignore[arg-type]
    return tuple if getattr(hint, "__origin__", None) is tuple else _as_it_is


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - whatever the database holds
    return value
