"""Logs as JSON lines on standard error: one event with its facts; never a body, a cookie or an address of a person.

A line begins with its instant, so that `sort` puts the lines of several processes in order. It says which request and
which order it is about, if it is about any. Of an exception it has the type and where it came from: its text may be
input, and its frames' variables are secrets.
"""

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson
import structlog

_FRAMES = 8

# What every line of a task says besides its own facts. structlog's own context takes ten times as long (measured).
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never changed


def configure(level: str = "info", file: BinaryIO | None = None) -> None:
    """Write lines of this level and above to the file, or to standard error. May be called again."""
    structlog.configure(
        # One for all: several take half as long again, and there is a line for every event (measured: 5 us a line).
        processors=[render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(file or sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def bind(**facts: str) -> Token[Mapping[str, str]]:
    """Have every further line of this task say these facts, and those of tasks that it starts."""
    return _context.set({**_context.get(), **facts})


def unbind(token: Token[Mapping[str, str]]) -> None:
    """Undo a `bind`, and all that came after it in this task."""
    _context.reset(token)


@contextmanager
def bound(**facts: str) -> Iterator[None]:
    """Have the lines that are written in here say these facts."""
    token = bind(**facts)
    try:
        yield
    finally:
        unbind(token)


def origin_of(error: BaseException) -> dict[str, Any]:
    """What a log may say of an exception: its type, the innermost frames that it came through, and what is behind it.

    That is what it was raised from or, of a group such as a TaskGroup's, each of those that are in it.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    origin: dict[str, Any] = {
        "exception": type(error).__name__,
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    behind = error.exceptions if isinstance(error, BaseExceptionGroup) else (error.__cause__,)
    if causes := [origin_of(cause) for cause in behind if cause is not None]:
        origin["causes"] = causes
    return origin


def render(_logger: object, level: str, event: structlog.typing.EventDict) -> bytes:
    """Return the line, with the origin in the place of `exc_info`: an exception, or True for the one being handled."""
    head = {"at": datetime.now(UTC), "level": level, "event": event.pop("event")}
    raised = event.pop("exc_info", None)
    error = raised if isinstance(raised, BaseException) else sys.exception() if raised else None
    if error is not None:
        event.update(origin_of(error))
    return orjson.dumps({**head, **_context.get(), **event}, default=repr, option=orjson.OPT_UTC_Z)
