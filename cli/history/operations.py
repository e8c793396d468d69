"""What people asked of the market and were told, as `holdfast load contend FILE` wrote it down."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

NEVER = math.inf
FORMAT = 2


class Kind(StrEnum):
    """The operations; the names are those of the file."""

    LIST = "list"
    EDIT = "edit"
    WITHDRAW = "withdraw"
    RESERVE = "reserve"
    JOIN = "join"
    LEAVE = "leave"
    CLOSE_LINE = "close_line"
    CANCEL = "cancel"
    PAY = "pay"
    READ_TICKET = "read_ticket"
    READ_ORDER = "read_order"
    OWN_ORDERS = "own_orders"
    OWN_TICKETS = "own_tickets"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request and its answer. Times are seconds of one monotonic clock; an unknown outcome is answered NEVER.

    `status` of an unknown outcome is None, or what came instead of an answer, such as 202 or 503. `answer` has the
    fields that matter: of a ticket, of an order, or `items` of a list; a refusal has its `message`.
    """

    number: int
    process: str
    person: str
    kind: Kind
    ticket: str | None
    order: str | None
    arguments: Mapping[str, Any]
    invoked: float
    answered: float
    status: int | None
    answer: Mapping[str, Any]

    @property
    def is_certain(self) -> bool:
        """Whether its outcome is known."""
        return self.answered != NEVER

    def __str__(self) -> str:
        until = f"{self.answered:9.3f}" if self.is_certain else "        ?"
        wanted = " ".join(f"{name}={value}" for name, value in self.arguments.items())
        told = " ".join(f"{name}={value}" for name, value in self.answer.items() if name != "items")
        about = f" of {self.order}" if self.order and self.kind is not Kind.RESERVE else ""
        outcome = self.status if self.is_certain else f"unknown ({self.status or 'no answer'})"
        return (
            f"{self.invoked:9.3f} {until}  {self.process:<12} {self.kind}{about} {wanted} -> {outcome} {told}".rstrip()
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A time during which a host was being replaced: reads by id may be stale in it, and only in it."""

    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class History:
    """Operations in the order of their invocation. `wall` and `monotonic` are one instant by two clocks, in seconds."""

    operations: tuple[Operation, ...]
    wall: float
    monotonic: float
    reservation_seconds: float
    grace_seconds: float
    offer_seconds: float
    faults: tuple[Window, ...] = field(default=())

    def instant(self, wall: float) -> float:
        """The reading of the monotonic clock at this time of day."""
        return wall - self.wall + self.monotonic

    def with_faults(self, *faults: Window) -> "History":
        """The same history, judged with reads that may be stale in these windows."""
        return replace(self, faults=faults)

    def counts(self) -> Counter[Kind]:
        """How many operations of each kind have a known outcome."""
        return Counter(operation.kind for operation in self.operations if operation.is_certain)

    def tickets(self) -> dict[str, list[Operation]]:
        """The operations on each ticket."""
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            if operation.ticket is not None:
                found.setdefault(operation.ticket, []).append(operation)
        return found


class HistoryError(Exception):
    """The file is no history, or that of another version of the load tool."""


def read_history(path: Path) -> History:
    """Return the history of the file. Raises HistoryError."""
    with path.open(encoding="utf-8") as lines:
        try:
            header = json.loads(next(lines, "null"))
            operations = sorted(_operations(lines), key=lambda operation: operation.invoked)
            if header["history"] != FORMAT:
                raise HistoryError(f"{path}: version {header['history']} of histories is not known")
            return History(
                tuple(replace(operation, number=number) for number, operation in enumerate(operations)),
                wall=header["wall"],
                monotonic=header["monotonic"],
                reservation_seconds=header["reservationSeconds"],
                grace_seconds=header["paymentGraceSeconds"],
                offer_seconds=header["offerSeconds"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HistoryError(f"{path} is no history: {error!r}") from error


def _operations(lines: Iterator[str]) -> Iterator[Operation]:
    for number, line in enumerate(lines):
        said = json.loads(line)
        yield Operation(
            number=number,
            process=said["process"],
            person=said["person"],
            kind=Kind(said["operation"]),
            ticket=said["ticket"],
            order=said["order"],
            arguments=said["arguments"],
            invoked=said["invoked"],
            answered=NEVER if said["answered"] is None else said["answered"],
            status=said["status"],
            answer=said["answer"],
        )
