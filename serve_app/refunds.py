"""What became of the money of orders, for those who may see them."""

import asyncio
from collections.abc import Sequence

from actors.domain.charge import refund_status
from actors.domain.messages import Order, OrderStatus, RefundStatus
from serve_app.schemas.orders import OrderView, order_view
from serve_app.services import Services


async def order_views(services: Services, orders: Sequence[Order]) -> list[OrderView]:
    """Return what their buyer sees of the orders, with the state of their refunds, read together."""
    refunds = await asyncio.gather(*(refund_of(services, order) for order in orders))
    return [order_view(order, refund) for order, refund in zip(orders, refunds, strict=True)]


async def refund_of(services: Services, order: Order) -> RefundStatus | None:
    """Return how a refund of the order stands, None when no money is to go back."""
    if order.status is not OrderStatus.CANCELLED and not order.refunding:
        return None  # nothing is to go back, and what is read most often needs no other query
    return refund_status(order, await services.queries.charges.charges_of(order.id))
