"""Existence before ownership: 404, then 403."""

from actors.domain.ids import is_id
from actors.domain.ticket_values import Order
from config import logs
from serve_app.http.errors import ForbiddenError, NotFoundError
from serve_app.services import Services


async def sold_order(services: Services, order_id: str, user_id: str) -> Order:
    """Return the order to who sold its ticket, and to administrators. Raises NotFoundError and ForbiddenError."""
    order = await _existing(services, order_id)
    if order.seller_id != user_id and not await services.is_admin(user_id):
        raise ForbiddenError("Only the seller of this ticket can refund it.")
    return order


async def own_order(services: Services, order_id: str, buyer_id: str) -> Order:
    """Return the buyer's order. Raises NotFoundError, or ForbiddenError when somebody else made it."""
    order = await _existing(services, order_id)
    if order.buyer_id != buyer_id:
        raise ForbiddenError("This order belongs to somebody else.")
    return order


async def visible_order(services: Services, order_id: str, user_id: str) -> Order:
    """Return the order to its buyer, and to administrators. Raises NotFoundError and ForbiddenError."""
    order = await _existing(services, order_id)
    if order.buyer_id != user_id and not await services.is_admin(user_id):
        raise ForbiddenError("This order belongs to somebody else.")
    return order


async def traded_order(services: Services, order_id: str, user_id: str) -> Order:
    """Return the order to its buyer, to who sold its ticket, and to administrators.

    Raises NotFoundError and ForbiddenError.
    """
    order = await _existing(services, order_id)
    if user_id not in {order.buyer_id, order.seller_id} and not await services.is_admin(user_id):
        raise ForbiddenError("This order belongs to somebody else.")
    return order


async def _existing(services: Services, order_id: str) -> Order:
    order = None
    if is_id(order_id):
        logs.bind(order=order_id)
        order = await services.queries.orders.by_id(order_id)
    if order is None:
        raise NotFoundError("There is no such order.")
    return order
