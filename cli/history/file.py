"""The history that a load leaves: one line an operation, for `tests/chaos` to check.

The first line relates the clocks: `wall` and `monotonic` are one instant in seconds, by the time of day and by the
clock of `invoked` and `answered`. `answered` is null when the outcome is unknown: no answer, a broken connection, 5xx,
or 202. What was asked may then have happened, or happen at any later time, or never.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cli.history.operations import FORMAT, Kind
from config.settings import Settings

# What is written down of an answer, where it is there.
_OF_ORDERS = ("id", "status", "offer", "cancelReason", "price", "version", "createdAt", "expiresAt", "orderId", "place")
_OF_TICKETS = ("id", "price", "status", "orderId", "version", "createdAt")


OF_TICKETS = (Kind.LIST, Kind.EDIT, Kind.READ_TICKET, Kind.OWN_TICKETS)


@dataclass(frozen=True, slots=True)
class Record:
    """One operation as it is written down; times are seconds of the monotonic clock."""

    process: str
    person: str
    operation: Kind
    ticket: str | None
    order: str | None
    arguments: Mapping[str, Any]
    invoked: float
    answered: float | None
    status: int | None
    answer: Mapping[str, Any]


class HistoryFile:
    """Writes a history, line by line."""

    def __init__(self, path: Path, settings: Settings) -> None:
        # Line by line, so that it can be read while it is written.
        self._file = path.open("w", buffering=1, encoding="utf-8")
        self._write(
            {
                "history": FORMAT,
                "wall": time.time(),
                "monotonic": time.monotonic(),
                "reservationSeconds": settings.reservation_seconds,
                "paymentGraceSeconds": settings.payment_grace_seconds,
                "offerSeconds": settings.offer_seconds,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        """Write down one operation."""
        names = record.__slots__
        self._write({name: getattr(record, name) for name in names})

    def _write(self, said: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(said, separators=(",", ":")) + "\n")


def told(operation: Kind, body: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return what matters of the answer's body: fields of a ticket or an order, `items` of a list, a `message`."""
    if isinstance(body, list):
        return {"items": [_fields(operation, item) for item in body]}
    if isinstance(body, dict) and "errors" in body:
        return {"message": body["errors"][0]["message"]}
    return _fields(operation, body) if isinstance(body, dict) else {}


def _fields(operation: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    wanted = _OF_TICKETS if operation in OF_TICKETS else _OF_ORDERS
    fields = {name: body[name] for name in wanted if name in body}
    if operation not in OF_TICKETS and "ticket" in body:
        fields["ticket"] = body["ticket"]["id"]
    return fields
