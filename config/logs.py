"""Logs as JSON lines on standard error: one event with its facts; never a body, a cookie or an address of a person.

Of an exception they have the type and where it came from. Its text may be input, and its frames' variables are secrets.
"""

import logging
import sys
import traceback
from typing import Any

import structlog

_FRAMES = 8


def configure() -> None:
    """Set logging up for this process. May be called again."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _with_origin,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


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


def _with_origin(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Puts the origin in the place of `exc_info`: an exception, or True for the one that is being handled."""
    raised = event.pop("exc_info", None)
    error = raised if isinstance(raised, BaseException) else sys.exception() if raised else None
    if error is not None:
        event.update(origin_of(error))
    return event
