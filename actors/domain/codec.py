"""Events and states as plain documents, field by field, and back; `stored_events` has the names of the events.

A process of an older release meets what a newer one wrote. Of a state it keeps the fields that it does not know, and
writes them back; an event or a value that it cannot understand is an UnreadableError, which fails one entity.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from sys import intern
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_type_hints

from actors.domain import events
from actors.domain.charge_values import Charge
from actors.domain.stored_events import EVENT_TYPES, FIRST_VERSION, NAMES, UPCASTERS, version_of
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import Order, TicketDetails

Document = dict[str, Any]
T = TypeVar("T")

# Nearly every field is one of these; most of the work of a turn is to write its events down.
_PLAIN = frozenset({str, int, bool})
# Texts that many tickets have in common, kept once: 6 % of the memory of one that is held. Those of other classes with
# fields of the same names are not.
_SHARED: Mapping[type[Any], frozenset[str]] = {
    TicketDetails: frozenset({"currency", "category", "venue", "city", "timezone"}),
    Order: frozenset({"currency", "venue", "city", "timezone"}),
    Charge: frozenset({"currency"}),
    Ticket: frozenset({"commit"}),
}
# What is written back by whoever read it. Of an event the fields that are not known are passed over: where an older
# release must not do that, its version is raised.
WRITTEN_BACK = frozenset({Ticket, TicketDetails, Order, Charge})


class UnreadableError(Exception):
    """What is stored is of a release that knows more than this one, or damaged."""


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """Stands for an event that this release does not understand; `why` is for the log.

    Also for one of which the name alone is left, since the rest of it is in the file `archive`.
    """

    name: str
    version: int
    data: Document
    why: str
    archive: str | None = None


def encode(value: Any) -> Document:  # noqa: ANN401 - any message
    """Return the document of a message or state, without fields that are None."""
    document: Document = {}
    cls = type(value)
    for name in _names(cast("Hashable", cls)):
        item = getattr(value, name)
        kind = type(item)
        if kind in _PLAIN:
            document[name] = item
        elif item is not None:
            document[name] = _writer(cast("Hashable", kind))(item)
    if cls in _KEEPERS:
        document |= value.unknown
    return document


def decode(cls: type[T], document: Document) -> T:
    """Return the message or state of a document that `encode` made; fields that it lacks take their defaults.

    Raises UnreadableError.
    """
    readers = _readers(cast("Hashable", cls))
    try:
        known = {name: readers[name](value) for name, value in document.items() if name in readers}
        if len(known) < len(document) and cls in WRITTEN_BACK:
            return with_unknown(cls, known, {name: document[name] for name in document.keys() - readers.keys()})
        return cls(**known)
    except UnreadableError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(f"{cls.__name__}: {type(error).__name__}") from error


def with_unknown(cls: type[T], known: Mapping[str, Any], unknown: Mapping[str, Any]) -> T:
    """Return the state with fields beside it that this release does not know, as they are stored.

    `replace` carries them. They are in a class of their own, so that a state without any has no room for them.
    """
    room: Callable[..., T] = keeper(cast("Hashable", cls))
    return room(**known, unknown=dict(unknown))


def stored(values: Mapping[str, Any]) -> Document:
    """Return what is stored of fields with these values."""
    return {
        name: value if type(value) in _PLAIN else _writer(cast("Hashable", type(value)))(value)
        for name, value in values.items()
        if value is not None
    }


def event_name(event: object) -> str:
    """Return the name under which the event is stored and published. Raise KeyError for what is no event."""
    return event.name if isinstance(event, UnreadableEvent) else NAMES[type(event)]


def encode_event(event: object) -> Document:
    """Return the event as {type, data}, with its version as `schema` from the second on.

    Raise KeyError for what is no event.
    """
    name = event_name(event)
    if isinstance(event, UnreadableEvent):
        return _event_document(name, event.version, event.data)
    return _event_document(name, version_of(name), encode(event))


def decode_event(document: Document) -> events.Event:
    """Return the event of a document that `encode_event` made, in this or an older release. Raises UnreadableError."""
    name, version, data = document["type"], document.get("schema", FIRST_VERSION), document["data"]
    if name not in EVENT_TYPES or not FIRST_VERSION <= version <= version_of(name):
        raise UnreadableError(f"{name} in version {version} is not known")
    for upcast in UPCASTERS.get(name, ())[version - FIRST_VERSION :]:
        data = upcast(data)
    event: events.Event = decode(EVENT_TYPES[name], data)
    return event


def decode_event_if_possible(document: Document) -> events.Event | UnreadableEvent:
    """Return the event, or what stands for one that this release does not understand."""
    try:
        return decode_event(document)
    except UnreadableError as error:
        version = document.get("schema", FIRST_VERSION)
        return UnreadableEvent(document["type"], version, document["data"], str(error))


def archived_event(document: Document, archive: str) -> UnreadableEvent:
    """Return what stands for an event whose data is in the file `archive`."""
    version = document.get("schema", FIRST_VERSION)
    return UnreadableEvent(document["type"], version, {}, f"it is in the archive {archive}", archive)


def archive_of(event: object) -> str | None:
    """Return the archive file that has all of it but its name, None for an event that is not archived."""
    return event.archive if isinstance(event, UnreadableEvent) else None


def _event_document(name: str, version: int, data: Document) -> Document:
    if version == FIRST_VERSION:
        return {"type": name, "data": data}
    return {"type": name, "schema": version, "data": data}


@cache
def _writer(kind: Hashable) -> Callable[[Any], Any]:
    """What is stored of a field of this type."""
    cls = cast("type[Any]", kind)
    if issubclass(cls, StrEnum):
        return attrgetter("value")
    if issubclass(cls, tuple):
        return _list
    return encode if is_dataclass(cls) else _as_it_is


@cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(each.name for each in fields(cast("Any", _KEEPERS.get(cast("type[Any]", cls), cls))))


@cache
def _readers(cls: Hashable) -> dict[str, Callable[[Any], Any]]:
    hints, shared = get_type_hints(cls), _SHARED.get(cast("type[Any]", cls), frozenset())
    return {name: intern if name in shared else reader_of(hints[name]) for name in _names(cls)}


def check_shared(shared: Mapping[type[Any], Collection[str]]) -> None:
    """Raise TypeError for an entry that names no text of its class."""
    for cls, names in shared.items():
        hints = get_type_hints(cls)
        for name in names:
            if hints.get(name) not in (str, str | None):
                raise TypeError(f"{cls.__name__}.{name} is no text that could be kept once")


check_shared(_SHARED)


def reader_of(hint: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - a type hint
    """Return what makes the value of a field with this type hint of what is stored of it."""
    if isinstance(hint, UnionType):
        (hint,) = (member for member in get_args(hint) if member is not NoneType)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if hint is int:
        return int  # pymongo reads large numbers into a class of its own
    if is_dataclass(hint):
        return lambda document: decode(hint, document)  # type: ignore[arg-type]
    return _tuple_reader(hint) if getattr(hint, "__origin__", None) is tuple else _as_it_is


def _list(values: tuple[Any, ...]) -> list[Any]:
    return [encode(value) if is_dataclass(value) else value for value in values]


def _tuple_reader(hint: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - the hint of a tuple of any length
    read = reader_of(get_args(hint)[0])
    return tuple if read is _as_it_is else lambda values: tuple(map(read, values))


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - whatever the database holds
    return value


# The classes that have room for unknown fields, each with the one that it stands for.
_KEEPERS: dict[type[Any], type[Any]] = {}


@cache
def keeper(cls: Hashable) -> type[Any]:
    """Return the class of this state's instances that have fields which are not known."""
    base = cast("type[Any]", cls)
    unknown = ("unknown", Mapping[str, Any], field(hash=False, repr=False, kw_only=True))
    made = make_dataclass(base.__name__, [unknown], bases=(base,), frozen=True, slots=True)
    _KEEPERS[made] = base
    return made
