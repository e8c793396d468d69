"""Holding a ticket, and letting it go."""

from dataclasses import dataclass

from starlette.requests import Request

from actors.domain.instants import Instant
from actors.domain.money import to_major_units
from actors.domain.refusals import NotOwner, OrderClosed, Refusal, RequestMismatch
from actors.domain.ticket_commands import CancelOrder, ReadOrder, Reserve
from actors.domain.ticket_values import Order, OrderStatus
from config import logs
from serve_app.buying.permissions import own_order
from serve_app.http.idempotency import Identity, identify
from serve_app.http.refusal_errors import error_of
from serve_app.schemas.orders import OrderBody
from serve_app.services import Services, services_of

# Among so many of the newest orders somebody finds one to let go.
_MOST_HOLDS = 20


async def admit_buyer(request: Request) -> str:
    """Return the id of a user who may buy, and count it. Raises what `trader` raises, TooManyRequestsError."""
    services = services_of(request)
    buyer_id = (await services.trader(request)).user_id
    services.limits.hold(buyer_id, services.address_of(request))
    return buyer_id


@dataclass(frozen=True, slots=True)
class Reserved:
    """The buyer's order. `is_new` is False when they held the ticket before, or the key made the order before."""

    order: Order
    is_new: bool


async def reserve(services: Services, buyer_id: str, body: OrderBody, identity: Identity) -> Reserved:
    """Hold a ticket at its price for the buyer. An order that the key made before is returned as it is now.

    Raises NotFoundError, TooManyRequestsError, and ConflictError: held, sold, withdrawn, begun, own, or another price.
    """
    # Before it is known to exist: where the answer is lost, this is how the order is found.
    logs.bind(order=identity.id)
    earlier = await services.queries.orders.by_id(identity.id) if identity.is_keyed else None
    if earlier is not None:
        if (earlier.buyer_id, earlier.request) != (buyer_id, identity.request):
            raise error_of(RequestMismatch())
        return Reserved(earlier, is_new=False)
    command = Reserve(
        body.ticket_id,
        identity.id,
        buyer_id,
        window=services.settings.reservation_window_ms,
        expected_price=body.expected_price,
        max_holds=services.settings.max_holds_per_buyer,
        request=identity.request,
        expected_version=body.expected_version,
        is_limited=services.settings.rate_limits,
    )
    answer = await services.market.ask_ticket(command)
    if isinstance(answer, Refusal):
        raise error_of(answer)
    order = answer.order
    if order is None or order.buyer_id != buyer_id:
        raise error_of(NotOwner())
    logs.bind(order=order.id)
    # A random id is new unless the caller held the ticket before; a derived one may come from a lost answer.
    return Reserved(order, order.id == identity.id and (answer.fresh or not identity.is_keyed))


async def accept_offer(services: Services, buyer_id: str, order_id: str) -> Order:
    """Take what the line offered: from now on it is held like anything that its buyer asked for.

    Raises NotFoundError, ForbiddenError, and what `reserve` raises.
    """
    order = await own_order(services, order_id, buyer_id)
    # Should the offer be over and the ticket for sale again, then only at the price that was offered.
    wanted = {"ticketId": order.ticket_id, "expectedPrice": to_major_units(order.price)}
    body = OrderBody.of(wanted, services.rules())
    return (await reserve(services, buyer_id, body, identify(None, "orders", buyer_id, body))).order


async def cancel_order(services: Services, buyer_id: str, order_id: str) -> Order:
    """Release the ticket, until it is sold; a repeat changes nothing. Returns the order as it was before.

    Raises NotFoundError, ForbiddenError, and ConflictError when it is bought.
    """
    order = await own_order(services, order_id, buyer_id)
    if order.status is OrderStatus.CANCELLED:
        return order
    answer = await services.market.ask_ticket(CancelOrder(order.ticket_id, order.id))
    if isinstance(answer, Refusal) and not isinstance(answer, OrderClosed):
        raise error_of(answer)
    return order


async def present_order(services: Services, buyer_id: str, order_id: str) -> Order:
    """Return the order as its ticket's actor knows it now: documents of open orders lag by a moment.

    Raises NotFoundError, ForbiddenError, and ServiceUnavailableError.
    """
    order = await own_order(services, order_id, buyer_id)
    if not order.is_open:
        return order
    answer = await services.market.ask_ticket(ReadOrder(order.ticket_id, order.id))
    if isinstance(answer, OrderClosed):
        return await own_order(services, order_id, buyer_id)
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return answer.order or order


def is_held(order: Order, now: Instant) -> bool:
    """Whether the order holds its ticket unpaid. Not once its time is over, also before its end is written."""
    return order.is_open and now < order.expires_at


async def holds_of(services: Services, user_id: str | None) -> list[Order]:
    """Return the newest orders of the user that hold a ticket unpaid; nobody has none."""
    if user_id is None:
        return []
    page = await services.queries.orders.of_buyer(user_id, _MOST_HOLDS)
    return [order for order in page.items if is_held(order, services.clock())]
