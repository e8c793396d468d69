"""The line of people who want a held ticket: who is in it, in which place, and whom the next offer goes to."""

from collections.abc import Collection
from dataclasses import dataclass

from actors.domain.ids import derived_id

# A rule of the market, not a setting (DESIGN, section 4): the line is part of the ticket's state, so it is bounded.
MOST_IN_LINE = 100


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody in line. `max_price` is the most they pay in cents, None for any price."""

    user_id: str
    max_price: int | None = None


Line = tuple[Waiter, ...]


def place_in(line: Line, user_id: str) -> int | None:
    """Return the place in line, the first is 1; None for somebody who does not wait."""
    return next((place for place, waiter in enumerate(line, 1) if waiter.user_id == user_id), None)


def with_waiter(line: Line, joining: Waiter) -> Line:
    """Return the line with this person at its end, or with their new limit in the place that they have."""
    if place_in(line, joining.user_id) is None:
        return (*line, joining)
    return tuple(joining if waiter.user_id == joining.user_id else waiter for waiter in line)


def without(line: Line, user_id: str) -> Line:
    """Return the line without this person."""
    return tuple(waiter for waiter in line if waiter.user_id != user_id)


def first_fitting(line: Line, price: int, may_buy: Collection[str]) -> Waiter | None:
    """Return the first who may buy and pays this price in cents."""
    for waiter in line:
        if waiter.user_id in may_buy and (waiter.max_price is None or price <= waiter.max_price):
            return waiter
    return None


def offer_id(ticket_id: str, version: int) -> str:
    """Return the id of the order that is offered in this version of the ticket."""
    return derived_id("offer", ticket_id, str(version))
