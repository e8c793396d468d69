"""What a person may ask of us about their data: a copy, and to be forgotten (GDPR, articles 15, 17 and 20)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from actors.domain.accounts import AccountClosed
from serve_app.bodies import read_json
from serve_app.errors import ConflictError
from serve_app.openapi import documented
from serve_app.paging import LARGEST_LIMIT, Page
from serve_app.queries.tickets import Wanted
from serve_app.responses import json_response, no_content
from serve_app.routes.users import prove_password
from serve_app.schemas.account import AccountClosing, ExportView, export_view
from serve_app.schemas.orders import order_view
from serve_app.schemas.tickets import own_ticket_view
from serve_app.services import services_of

router = APIRouter(prefix="/api/users/me", tags=["users"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
Item = TypeVar("Item")

# Far more than anybody has, and no more than an answer can carry.
_MOST_PAGES = 100


@router.get(
    "/export",
    **documented(
        {HTTPStatus.OK: ExportView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, _UNAVAILABLE),
        signed_in=True,
    ),
)
async def export(request: Request) -> Response:
    """Return everything that is kept about the person, their tickets and their orders."""
    services = services_of(request)
    user = await services.signed_in_user(request)
    services.limits.export(user.id, services.address_of(request))
    own, queries = Wanted("newest", seller_id=user.id), services.queries
    tickets = await _everything(lambda after: queries.tickets.page(own, LARGEST_LIMIT, after, services.clock()))
    orders = await _everything(lambda after: queries.orders.of_buyer(user.id, LARGEST_LIMIT, after))
    view = export_view(
        user,
        await services.sessions.of_user(user.id),
        [own_ticket_view(ticket) for ticket in tickets],
        [order_view(order) for order in orders],
    )
    response = json_response(view)
    response.headers["Content-Disposition"] = 'attachment; filename="holdfast-export.json"'
    return response


@router.delete(
    "",
    **documented(
        {HTTPStatus.NO_CONTENT: None},
        (
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.CONFLICT,
            HTTPStatus.TOO_MANY_REQUESTS,
            _UNAVAILABLE,
        ),
        body=AccountClosing,
        signed_in=True,
    ),
)
async def close_account(request: Request) -> Response:
    """Close the account, with the password, and erase the person: tickets are withdrawn, orders stay without a name.

    Not while a purchase is open: it would be paid by nobody, or nobody would hear of it.
    """
    services = services_of(request)
    user = await services.signed_in_user(request)
    body = AccountClosing.of(await read_json(request), services.rules())
    await prove_password(request, user, body.password, field="password")
    if await services.queries.orders.has_open(user.id):
        raise ConflictError("You hold tickets: pay or cancel those orders first.")
    await services.users.close(user.id, services.clock())
    await services.sessions.end_all(user.id)
    await services.email_tokens.forget(user.id)
    services.security_events.note(AccountClosed(user.id))
    response = no_content()
    await services.sessions.sign_out(None, response)
    return response


async def _everything(read: Callable[[str | None], Awaitable[Page[Item]]]) -> list[Item]:
    """Return the items of all pages, read one after the other."""
    items: list[Item] = []
    after = None
    for _ in range(_MOST_PAGES):
        page = await read(after)
        items += page.items
        after = page.next_position
        if after is None:
            break
    return items
