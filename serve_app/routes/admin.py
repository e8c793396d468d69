"""What administrators may do: shut somebody out, let them in again, and close what is to be paid by hand."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.charge import refund_status
from serve_app.accounts import bans
from serve_app.accounts.bans import existing_user
from serve_app.buying.refunds import resolve_refund
from serve_app.http.openapi import documented
from serve_app.http.paging import cursor_of, link_header
from serve_app.http.responses import json_response, no_content
from serve_app.schemas.admin import AccountView, FailedRefundView, account_view, failed_refund_view
from serve_app.schemas.orders import OrderView, order_view
from serve_app.schemas.searches import FailedRefundSearch
from serve_app.services import services_of

router = APIRouter(prefix="/api/admin", tags=["admin"])
_OF_ADMINS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/users/{user_id}", **documented({HTTPStatus.OK: AccountView}, _OF_ADMINS, signed_in=True, scope=None))
async def read_user(request: Request, user_id: str) -> Response:
    """Return an account."""
    services = services_of(request)
    await services.admin(request)
    return json_response(account_view(await existing_user(services, user_id)))


@router.put(
    "/users/{user_id}/ban",
    **documented({HTTPStatus.NO_CONTENT: None}, (*_OF_ADMINS, HTTPStatus.CONFLICT), signed_in=True, scope=None),
)
async def ban(request: Request, user_id: str) -> Response:
    """End all sessions of the user at once and for as long as the ban lasts, and withdraw their tickets.

    At most 200 tickets before the answer, the others within seconds. What somebody holds of them is theirs until the
    hold runs out or is paid. A repeat changes nothing.
    """
    services = services_of(request)
    admin = await services.admin(request)
    await bans.ban(services, admin, user_id)
    return no_content()


@router.delete(
    "/users/{user_id}/ban", **documented({HTTPStatus.NO_CONTENT: None}, _OF_ADMINS, signed_in=True, scope=None)
)
async def unban(request: Request, user_id: str) -> Response:
    """Let the user sign in again; withdrawn tickets stay withdrawn. A repeat changes nothing."""
    services = services_of(request)
    admin = await services.admin(request)
    await bans.unban(services, admin, user_id)
    return no_content()


@router.get(
    "/failed-refunds",
    **documented(
        {HTTPStatus.OK: list[FailedRefundView]},
        (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
        query=FailedRefundSearch,
        signed_in=True,
        scope=None,
    ),
)
async def find_failed_refunds(request: Request) -> Response:
    """List what buyers are to be paid by hand, the longest due first; `Link` leads to the next page."""
    services = services_of(request)
    await services.admin(request)
    search = FailedRefundSearch.of(request.query_params, services.rules())
    page = await services.queries.failed_refunds.page(search.limit, search.cursor)
    cursor = cursor_of("failedRefunds", page.next_position) if page.next_position else None
    link = link_header("/api/admin/failed-refunds", search.known_parameters(request.query_params), cursor)
    return json_response([failed_refund_view(each) for each in page.items], headers=link)


@router.post(
    "/failed-refunds/{order_id}/resolve",
    **documented({HTTPStatus.OK: OrderView}, (*_OF_ADMINS, HTTPStatus.CONFLICT), signed_in=True, scope=None),
)
async def resolve_failed_refund(request: Request, order_id: str) -> Response:
    """Note that the buyer was paid another way after the refund failed, and who says so. A repeat changes nothing."""
    services = services_of(request)
    admin = await services.admin(request)
    answer = await resolve_refund(services, admin.id, order_id)
    return json_response(order_view(answer.order, refund_status(answer.order, [answer.charge])))
