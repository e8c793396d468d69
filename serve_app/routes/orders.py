"""Holding a ticket: reserving, looking at orders, releasing."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.charge import refund_status
from actors.domain.ticket_values import OrderStatus
from serve_app.buying import orders as buying
from serve_app.buying.orders import admit_buyer
from serve_app.buying.payments import charges_of
from serve_app.buying.permissions import traded_order, visible_order
from serve_app.buying.refunds import order_views, refund_of
from serve_app.http.idempotency import identify, key_of
from serve_app.http.openapi import documented
from serve_app.http.paging import cursor_of, link_header
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_bytes, json_response, list_headers, no_content, unless_unchanged
from serve_app.schemas.orders import OrderBody, OrderView, RefundView, order_view, refund_view
from serve_app.schemas.payments import ChargeView, charge_view
from serve_app.schemas.searches import OrderSearch
from serve_app.selling.tickets import refund_order as refund
from serve_app.services import services_of

router = APIRouter(prefix="/api/orders", tags=["orders"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_OF_OWNERS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, _UNAVAILABLE)


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: OrderView, HTTPStatus.OK: OrderView},
        (*_OF_OWNERS, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
        body=OrderBody,
        signed_in=True,
        scope="buy",
        keyed=True,
    ),
)
async def create_order(request: Request) -> Response:
    """Hold a ticket at its price; 200 with the order that is there when the caller already holds it."""
    services = services_of(request)
    buyer_id = await admit_buyer(request)
    body = OrderBody.of(await read_json(request), services.rules())
    reserved = await buying.reserve(services, buyer_id, body, identify(key_of(request), "orders", buyer_id, body))
    (view,) = await order_views(services, [reserved.order])
    return json_response(view, HTTPStatus.CREATED if reserved.is_new else HTTPStatus.OK)


@router.get(
    "",
    **documented(
        {HTTPStatus.OK: list[OrderView], HTTPStatus.NOT_MODIFIED: None},
        (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, _UNAVAILABLE),
        query=OrderSearch,
        signed_in=True,
        scope="read",
    ),
)
async def find_orders(request: Request) -> Response:
    """List the caller's orders, newest first; `Link` leads to the next page."""
    services = services_of(request)
    buyer_id = services.sessions.require(request).user_id
    search = OrderSearch.of(request.query_params, services.rules())
    asked = search.known_parameters(request.query_params)

    async def list_orders() -> tuple[bytes, dict[str, str]]:
        page = await services.queries.orders.of_buyer(buyer_id, search.limit, search.cursor)
        cursor = cursor_of("newest", page.next_position) if page.next_position else None
        content = json_bytes(await order_views(services, page.items))
        return content, list_headers(content, link_header("/api/orders", asked, cursor))

    content, headers = await services.lists.get(
        ("orders", buyer_id, *asked.items()), list_orders, refresh=True, client=services.address_of(request)
    )
    return unless_unchanged(request, content, headers)


@router.get("/{order_id}", **documented({HTTPStatus.OK: OrderView}, _OF_OWNERS, signed_in=True, scope="read"))
async def read_order(request: Request, order_id: str) -> Response:
    """Return the order to its buyer, or to an administrator."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    (view,) = await order_views(services, [await visible_order(services, order_id, user_id)])
    return json_response(view)


@router.delete(
    "/{order_id}",
    **documented({HTTPStatus.NO_CONTENT: None}, (*_OF_OWNERS, HTTPStatus.CONFLICT), signed_in=True, scope="buy"),
)
async def cancel_order(request: Request, order_id: str) -> Response:
    """Release the ticket, until it is sold; a repeat changes nothing."""
    services = services_of(request)
    buyer_id = services.sessions.require(request).user_id
    await buying.cancel_order(services, buyer_id, order_id)
    return no_content()


@router.get(
    "/{order_id}/charges", **documented({HTTPStatus.OK: list[ChargeView]}, _OF_OWNERS, signed_in=True, scope="read")
)
async def read_charges(request: Request, order_id: str) -> Response:
    """Return every attempt to pay the order, in order, to its buyer or to an administrator."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    charges = await charges_of(services, user_id, order_id)
    return json_response([charge_view(charge) for charge in charges])


@router.get("/{order_id}/refund", **documented({HTTPStatus.OK: RefundView}, _OF_OWNERS, signed_in=True, scope="read"))
async def read_refund(request: Request, order_id: str) -> Response:
    """Return how a refund of the order stands to its buyer, to the seller of its ticket, or to an administrator."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    order = await traded_order(services, order_id, user_id)
    return json_response(refund_view(order, await refund_of(services, order)))


@router.post(
    "/{order_id}/refund",
    **documented(
        {HTTPStatus.OK: OrderView, HTTPStatus.ACCEPTED: OrderView},
        (*_OF_OWNERS, HTTPStatus.CONFLICT),
        signed_in=True,
        scope="sell",
    ),
)
async def refund_order(request: Request, order_id: str) -> Response:
    """Give the buyer the money back, before the event begins, and have the ticket for sale again.

    An administrator does so for any order, also after the beginning, and the ticket ends withdrawn. 200 when that is
    done, again on a repeat; 202 while Stripe is on it: the order is complete until the money is back. 409 when the
    refund failed afterwards: then the buyer is to be paid another way.
    """
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    answer = await refund(services, user_id, order_id)
    is_done = answer.order.status is OrderStatus.CANCELLED
    view = order_view(answer.order, refund_status(answer.order, [answer.charge]))
    return json_response(view, HTTPStatus.OK if is_done else HTTPStatus.ACCEPTED)
