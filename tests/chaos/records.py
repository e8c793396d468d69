"""What the probe notes down: every answer with its times, and every order that was acknowledged."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """What was asked."""

    LIST = "list"
    RESERVE = "reserve"
    CANCEL = "cancel"
    PAY = "pay"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request and what came of it. Times are seconds of the monotonic clock."""

    verb: Verb
    sent: float
    heard: float
    # None when the connection broke or no answer came in time; `said` has the error's name then.
    status: int | None
    retry_after: str | None = None
    said: str = ""


class Wish(StrEnum):
    """What was last wanted of an order, and whether that was acknowledged."""

    HELD = "held"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    PAYING = "paying"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Somebody's wish for a ticket that was listed at `asked_price`."""

    ticket_id: str
    buyer_id: str
    cookie: str
    asked_price: float

    def acknowledged(self, order: dict[str, Any]) -> "Purchase":
        return Purchase(self, order["id"], order["price"])


@dataclass(slots=True)
class Purchase:
    """An order that was acknowledged at `price`, and what was acknowledged about it since."""

    reservation: Reservation
    order_id: str
    price: float
    wish: Wish = Wish.HELD
