"""Which view an order's page has: one address for the whole purchase, and the view follows the state."""

from collections.abc import Sequence
from enum import StrEnum

from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.instants import Instant
from actors.domain.ticket_values import Order, OrderStatus


class OrderView(StrEnum):
    """The states of a purchase as its buyer sees them."""

    PAY = "pay"
    ASKING = "asking"
    BANK = "bank"
    COMPLETE = "complete"
    REFUNDING = "refunding"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


def view_of(order: Order, charges: Sequence[Charge], now: Instant) -> OrderView:
    """Return the view. An open order whose time is over is expired, also while nobody has written that yet."""
    match order.status:
        case OrderStatus.COMPLETE:
            return OrderView.REFUNDING if order.refunding else OrderView.COMPLETE
        case OrderStatus.CANCELLED:
            return OrderView.CANCELLED
    if order.expires_at <= now:
        return OrderView.EXPIRED
    if order.status is OrderStatus.CREATED:
        return OrderView.PAY
    current = next((charge for charge in charges if charge.attempt == order.attempt), None)
    if current is not None and current.status is ChargeStatus.CREATED and current.action_required:
        return OrderView.BANK
    return OrderView.ASKING
