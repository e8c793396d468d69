"""What is asked of a ticket in a history, and what happens to it by itself."""

from dataclasses import dataclass
from typing import TypeAlias

# What people ask for


@dataclass(frozen=True, slots=True)
class Reserve:
    """`order` is the id that the order gets. One with a key may have been sent before, so that its order is there."""

    buyer: str
    order: str
    expected: float | None = None
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """With a number it is remembered, since it may be answered with how the ticket stood a moment later."""

    price: float
    number: int | None = None


@dataclass(frozen=True, slots=True)
class ReadAfterEdit:
    """The ticket as an edit is answered: as it was then or, after a repeat, a little later."""

    number: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the ticket off the market."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Let go of it."""

    order: str


@dataclass(frozen=True, slots=True)
class Pay:
    """`may_fail` when a card that is declined was presented for this order, by this request or by an earlier one."""

    order: str
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class ReadTicket:
    """Look at it."""


@dataclass(frozen=True, slots=True)
class Join:
    """Wait for the ticket at `most` at most, None for any price."""

    person: str
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ReadAfterJoin:
    """The place that somebody who joined is told: as it was then or, after a repeat, a little later."""

    person: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Wait no longer."""

    person: str


@dataclass(frozen=True, slots=True)
class CloseLine:
    """Send everybody away who waits."""


# What happens by itself, or in the course of a payment


@dataclass(frozen=True, slots=True)
class StartPayment:
    """The payment of an order begins."""

    order: str


@dataclass(frozen=True, slots=True)
class Sell:
    """The payment succeeds."""

    order: str


@dataclass(frozen=True, slots=True)
class Decline:
    """The payment fails."""

    order: str


@dataclass(frozen=True, slots=True)
class Expire:
    """An order's time is over: that of an `offer`, or that of a hold."""

    order: str
    offer: bool = False


Request: TypeAlias = (
    Reserve | Edit | ReadAfterEdit | Withdraw | Cancel | Pay | ReadTicket | Join | ReadAfterJoin | Leave | CloseLine
)
Happening: TypeAlias = StartPayment | Sell | Decline | Expire
