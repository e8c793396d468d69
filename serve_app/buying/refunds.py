"""What became of the money of orders, for those who may see them."""

import asyncio
from collections.abc import Sequence

from actors.domain.answers import PaymentAnswer
from actors.domain.charge import refund_status
from actors.domain.purchase_commands import ResolveRefund
from actors.domain.refusals import Refusal
from actors.domain.ticket_values import Order, OrderStatus, RefundStatus
from serve_app.buying.permissions import visible_order
from serve_app.http.refusal_errors import error_of
from serve_app.schemas.orders import OrderView, order_view
from serve_app.services import Services


async def order_views(services: Services, orders: Sequence[Order]) -> list[OrderView]:
    """Return what their buyer sees of the orders, with the state of their refunds, read together."""
    refunds = await refunds_of(services, orders)
    return [order_view(order, refunds.get(order.id)) for order in orders]


async def refunds_of(services: Services, orders: Sequence[Order]) -> dict[str, RefundStatus]:
    """Return how the refunds of these orders stand, by order; those of which no money is to go back are left out."""
    with_refund = [order for order in orders if _has_refund(order)]
    if not with_refund:  # most orders that are read: to gather nothing takes 10 µs
        return {}
    refunds = await asyncio.gather(*(refund_of(services, order) for order in with_refund))
    return {order.id: refund for order, refund in zip(with_refund, refunds, strict=True) if refund is not None}


async def refund_of(services: Services, order: Order) -> RefundStatus | None:
    """Return how a refund of the order stands, None when no money is to go back."""
    if not _has_refund(order):
        return None
    return refund_status(order, await services.queries.charges.charges_of(order.id))


async def resolve_refund(services: Services, admin_id: str, order_id: str) -> PaymentAnswer:
    """Note that the buyer was paid another way after the refund failed, and who says so. A repeat changes nothing.

    Raises NotFoundError, ForbiddenError, and ConflictError when no refund of the order has failed.
    """
    order = await visible_order(services, order_id, admin_id)
    answer = await services.market.refund(ResolveRefund(order.id, admin_id))
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return answer


def _has_refund(order: Order) -> bool:
    """Whether money may be to go back: orders that are open or complete, which are read most, need no other query."""
    return order.status is OrderStatus.CANCELLED or order.refunding
