"""Listing, finding, editing and withdrawing tickets."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.ticket import Ticket
from actors.storage.page import Page
from serve_app.http.etags import etag, expected_versions
from serve_app.http.idempotency import identify, key_of
from serve_app.http.openapi import documented
from serve_app.http.paging import cursor_of, link_header
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_bytes, json_response, list_headers, no_content, unless_unchanged
from serve_app.schemas.history import HistoryEntry, history_entry
from serve_app.schemas.searches import HistorySearch, TicketSearch
from serve_app.schemas.tickets import (
    OwnTicketView,
    TicketBody,
    TicketView,
    own_ticket_view,
    ticket_view,
    ticket_view_of_seller,
)
from serve_app.search.tickets import find_tickets as find
from serve_app.search.tickets import read_ticket as read
from serve_app.selling import tickets as selling
from serve_app.selling.tickets import admit_change, admit_seller
from serve_app.services import services_of

router = APIRouter(prefix="/api/tickets", tags=["tickets"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS
_OF_SELLERS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, _UNAVAILABLE)


@router.get(
    "",
    **documented(
        {HTTPStatus.OK: list[OwnTicketView], HTTPStatus.NOT_MODIFIED: None},
        (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, _UNAVAILABLE),
        query=TicketSearch,
        scope="read",
    ),
)
async def find_tickets(request: Request) -> Response:
    """List tickets for sale, or with `seller=me` one's own in every state; `Link` leads to the next page."""
    services = services_of(request)
    asks_for_own = request.query_params.get("seller") == "me"
    seller_id = services.sessions.require(request).user_id if asks_for_own else None
    search = TicketSearch.of(request.query_params, services.rules())
    asked = search.known_parameters(request.query_params)
    view = own_ticket_view if seller_id else ticket_view

    def as_json(page: Page[Ticket]) -> tuple[bytes, dict[str, str]]:
        cursor = cursor_of(search.sort, page.next_position) if page.next_position else None
        content = json_bytes([view(ticket) for ticket in page.items])
        return content, list_headers(content, link_header("/api/tickets", asked, cursor))

    content, headers = await find(request, search, asked, as_json, representation=("json",), seller_id=seller_id)
    return unless_unchanged(request, content, headers)


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: TicketView, HTTPStatus.OK: TicketView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, _TOO_MANY, _UNAVAILABLE),
        body=TicketBody,
        signed_in=True,
        scope="sell",
        keyed=True,
    ),
)
async def create_ticket(request: Request) -> Response:
    """List a ticket for sale."""
    services = services_of(request)
    seller_id = await admit_seller(request)
    body = TicketBody.of(await read_json(request), services.rules())
    identity = identify(key_of(request), "tickets", seller_id, body)
    listed = await selling.list_ticket(services, seller_id, body, identity)
    return json_response(ticket_view(listed.ticket), HTTPStatus.CREATED if listed.is_new else HTTPStatus.OK)


@router.get(
    "/{ticket_id}",
    **documented(
        {HTTPStatus.OK: OwnTicketView, HTTPStatus.NOT_MODIFIED: None},
        (HTTPStatus.NOT_FOUND, _UNAVAILABLE),
        scope="read",
    ),
)
async def read_ticket(request: Request, ticket_id: str) -> Response:
    """Return the ticket as it is now, in any state; its `ETag` is its version.

    When its seller closed the account and it is not for sale any more, what they wrote is for its buyer only.
    """
    services = services_of(request)
    session = services.sessions.current(request)
    ticket = await read(services, ticket_id, session)
    is_own = session is not None and session.user_id == ticket.seller_id
    view = ticket_view_of_seller if is_own else ticket_view
    return unless_unchanged(request, json_bytes(view(ticket)), {"ETag": etag(ticket.version)})


@router.put(
    "/{ticket_id}",
    **documented(
        {HTTPStatus.OK: TicketView},
        (*_OF_SELLERS, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, _TOO_MANY),
        body=TicketBody,
        signed_in=True,
        scope="sell",
        conditional=True,
    ),
)
async def edit_ticket(request: Request, ticket_id: str) -> Response:
    """Replace all that a seller can say of the ticket; what is left out is removed. Not while somebody holds it.

    With `If-Match` only if it was not edited since that version; that somebody held it meanwhile does not matter.
    """
    services = services_of(request)
    user_id = admit_change(request)
    body = TicketBody.of(await read_json(request), services.rules())
    ticket = await selling.edit_ticket(services, user_id, ticket_id, body, expected_versions(request))
    return json_response(ticket_view(ticket), headers={"ETag": etag(ticket.version)})


@router.delete(
    "/{ticket_id}",
    **documented(
        {HTTPStatus.NO_CONTENT: None}, (*_OF_SELLERS, HTTPStatus.CONFLICT, _TOO_MANY), signed_in=True, scope="sell"
    ),
)
async def withdraw_ticket(request: Request, ticket_id: str) -> Response:
    """Take the ticket off the market, as its seller or an administrator. Not while it is held; a repeat is fine."""
    user_id = admit_change(request)
    await selling.withdraw_ticket(services_of(request), user_id, ticket_id)
    return no_content()


@router.get(
    "/{ticket_id}/history",
    **documented(
        {HTTPStatus.OK: list[HistoryEntry], HTTPStatus.NOT_MODIFIED: None},
        (HTTPStatus.BAD_REQUEST, *_OF_SELLERS),
        query=HistorySearch,
        signed_in=True,
        scope="read",
    ),
)
async def read_history(request: Request, ticket_id: str) -> Response:
    """Return what happened to the ticket, in order, to its seller or to an administrator; `Link` leads on."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    search = HistorySearch.of(request.query_params, services.rules())
    after, asked = search.after(ticket_id), search.known_parameters(request.query_params)
    ticket = await selling.own_ticket(services, user_id, ticket_id)

    async def list_history() -> tuple[bytes, dict[str, str]]:
        found = await selling.read_history(services, ticket_id, after, search.limit)
        last = after + search.limit
        cursor = cursor_of("history", f"{last:010d}{ticket_id}") if last < ticket.version else None
        content = json_bytes([history_entry(recorded) for recorded in found])
        return content, list_headers(content, link_header(f"/api/tickets/{ticket_id}/history", asked, cursor))

    content, headers = await services.lists.get(
        ("history", ticket_id, *asked.items()), list_history, refresh=True, client=services.address_of(request)
    )
    return unless_unchanged(request, content, headers)
