"""Logs as JSON lines on standard error: one event with its facts; never a body, a cookie or an address of a person.

A line begins with its instant, so that `sort` puts the lines of several processes in order. It says which request and
which order it is about, if it is about any. Of an exception it has the type and where it came from: its text may be
input, and its frames' variables are secrets.
"""

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
# A fact of any kind has a line, and a dataclass no more of it than its `repr` shows.
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
_LEVELS = ("debug", "info", "warning", "error", "critical")

# What every line of a task says besides its own facts. To enter structlog's own takes ten times as long (measured).
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never changed


class Logger(structlog.BoundLoggerBase):
    """Writes a line for each call, at once: structlog's steps take twice as long, and every event has a line."""

    def debug(self, event: str, **facts: object) -> None:
        """Write a line for who looks for a bug."""
        self._write("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        """Write a line of what is as it should be."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Write a line of what goes on by itself, sooner or later."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        """Write a line of what somebody has to look at."""
        self._write("error", event, facts)

    def exception(self, event: str, **facts: object) -> None:
        """Write an error with the origin of the exception that is being handled."""
        self._write("error", event, {"exc_info": True, **facts})

    def critical(self, event: str, **facts: object) -> None:
        """Write a line of what ends this process."""
        self._write("critical", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        self._logger.msg(_line(level, event, facts))


def logger_of_level(level: str) -> type[Logger]:
    """Return the logger that writes lines of this level and above, and does nothing for the others."""
    ignored = _LEVELS[: _LEVELS.index(level)]
    return type("Logger", (Logger,), dict.fromkeys(ignored, lambda _self, _event, **_facts: None))


def configure(level: str = "info", file: BinaryIO | None = None) -> None:
    """Write lines of this level and above to the file, or to standard error. May be called again."""
    structlog.configure(
        wrapper_class=logger_of_level(level),
        # Without a buffer a line is one call of the system.
        logger_factory=structlog.BytesLoggerFactory(file or open(sys.stderr.fileno(), "wb", 0, closefd=False)),  # noqa: SIM115
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


def _line(level: str, event: str, facts: dict[str, Any]) -> bytes:
    """Return the line, with the origin in the place of `exc_info`: an exception, or True for the one being handled."""
    raised = facts.pop("exc_info", None)
    error = raised if isinstance(raised, BaseException) else sys.exception() if raised else None
    origin = {} if error is None else origin_of(error)
    line = {"at": datetime.now(UTC), "level": level, "event": event, **_context.get(), **facts, **origin}
    return orjson.dumps(line, default=repr, option=_OPTIONS)
