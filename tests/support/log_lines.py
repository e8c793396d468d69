"""The lines that the processes of a market write, as they write them: with what they say of request and order."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from config import logs

Line = dict[str, Any]


class LogLines:
    """What was logged so far."""

    def __init__(self) -> None:
        self.file = io.BytesIO()

    @property
    def text(self) -> bytes:
        return self.file.getvalue()

    def all(self, event: str | None = None) -> list[Line]:
        lines: list[Line] = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    def having(self, word: str) -> list[Line]:
        """What grep would find."""
        return [json.loads(line) for line in self.text.decode().splitlines() if word in line]


@contextmanager
def log_lines() -> Iterator[LogLines]:
    """Collect what is logged in here. Loggers are not kept as in production: they would outlive this."""
    before = structlog.get_config()
    lines = LogLines()
    structlog.configure(
        wrapper_class=logs.logger_of_level("info"),
        logger_factory=structlog.BytesLoggerFactory(lines.file),
        cache_logger_on_first_use=False,
    )
    try:
        yield lines
    finally:
        structlog.configure(**before)
