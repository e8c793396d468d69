"""How often somebody may hold and not pay: what is remembered of holds that ended unpaid, and when another is allowed.

The figures are rules of the market, not settings: who holds again and again keeps a ticket from everybody else.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.domain.instants import Instant
from actors.domain.ticket_values import CancelReason, Order

HOUR_MS = 3_600_000
# So many holds of one ticket, and of all tickets together, may end unpaid within an hour (DESIGN, section 4).
MOST_OF_A_TICKET = 3
MOST_OF_A_BUYER = 30
# A ticket remembers its newest only: those of 33 buyers who used up their three.
REMEMBERED = 100

_UNPAID = (CancelReason.BUYER, CancelReason.EXPIRED, CancelReason.DECLINED)


@dataclass(frozen=True, slots=True)
class UnpaidHold:
    """A hold that its buyer let go of, let pass, or could not pay."""

    buyer_id: str
    ended_at: Instant


def ended_unpaid(order: Order) -> bool:
    """Return whether the hold counts against its buyer. An offer that nobody accepted does not."""
    return order.cancel_reason in _UNPAID and not order.offer


def remember(holds: tuple[UnpaidHold, ...], order: Order) -> tuple[UnpaidHold, ...]:
    """Return the ticket's unpaid holds of the last hour after the end of this order, the newest last."""
    if not ended_unpaid(order):
        return holds
    recent = [hold for hold in holds if order.updated_at - hold.ended_at < HOUR_MS]
    return (*recent[1 - REMEMBERED :], UnpaidHold(order.buyer_id, order.updated_at))


def allowed_at(ends: Iterable[Instant], most: int) -> Instant:
    """Return the instant from which fewer than `most` of these ends lie within the hour before; 0 for always."""
    ordered = sorted(ends)
    return ordered[-most] + HOUR_MS if len(ordered) >= most else 0
