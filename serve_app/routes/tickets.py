"""Listing, finding, editing and withdrawing tickets."""

from http import HTTPStatus

from bson import ObjectId
from fastapi import APIRouter, Request, Response

from actors.domain.accounts import TicketTakenDown
from actors.domain.ids import is_id
from actors.domain.messages import (
    CreateTicket,
    EditTicket,
    NotYours,
    ReadTicket,
    Refusal,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket import TicketAnswer
from serve_app.bodies import read_json
from serve_app.closed_accounts import as_shown
from serve_app.errors import ForbiddenError, NotFoundError
from serve_app.etags import etag, expected_versions
from serve_app.idempotency import identify
from serve_app.openapi import documented
from serve_app.own_changes import changed_something
from serve_app.paging import cursor_of, link_header
from serve_app.queries.tickets import Wanted
from serve_app.refusals import error_of
from serve_app.responses import json_bytes, json_response, list_headers, no_content, unless_unchanged
from serve_app.schemas.history import HistoryEntry, history_entry
from serve_app.schemas.searches import HistorySearch, TicketSearch
from serve_app.schemas.tickets import OwnTicketView, TicketBody, TicketView, own_ticket_view, ticket_view
from serve_app.services import Services, services_of

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
    ),
)
async def find_tickets(request: Request) -> Response:
    """List tickets for sale, or with `seller=me` one's own in every state; `Link` leads to the next page."""
    services = services_of(request)
    asks_for_own = request.query_params.get("seller") == "me"
    seller_id = services.sessions.require(request).user_id if asks_for_own else None
    search = TicketSearch.of(request.query_params, services.rules())
    asked, anew = search.echo(request.query_params), changed_something(request)

    async def list_tickets() -> tuple[bytes, dict[str, str]]:
        page = await services.queries.tickets.page(
            _wanted(search, seller_id), search.limit, search.cursor, services.clock(), anew=anew
        )
        cursor = cursor_of(search.sort, page.next_position) if page.next_position else None
        view = own_ticket_view if seller_id else ticket_view
        content = json_bytes([view(ticket) for ticket in page.items])
        return content, list_headers(content, link_header("/api/tickets", asked, cursor))

    # The front page waits behind nobody's questions.
    client = services.address_of(request) if asked else None
    content, headers = await services.lists.answer(
        (seller_id, *asked.items()), list_tickets, anew=anew or seller_id is not None, client=client
    )
    return unless_unchanged(request, content, headers)


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: TicketView, HTTPStatus.OK: TicketView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, _TOO_MANY, _UNAVAILABLE),
        body=TicketBody,
        signed_in=True,
        keyed=True,
    ),
)
async def create_ticket(request: Request) -> Response:
    """List a ticket for sale."""
    services = services_of(request)
    seller_id = (await services.trader(request)).user_id
    services.limits.change(seller_id, services.address_of(request))
    body = TicketBody.of(await read_json(request), services.rules())
    identity = identify(request, "tickets", seller_id, body)
    answer = await _ask(services, CreateTicket(identity.id, seller_id, body.details(), identity.request))
    is_new = answer.fresh or not identity.is_keyed
    return json_response(ticket_view(answer.ticket), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@router.get(
    "/{ticket_id}",
    **documented({HTTPStatus.OK: TicketView, HTTPStatus.NOT_MODIFIED: None}, (HTTPStatus.NOT_FOUND, _UNAVAILABLE)),
)
async def read_ticket(request: Request, ticket_id: str) -> Response:
    """Return the ticket as it is now, in any state; its `ETag` is its version.

    When its seller closed the account and it is not for sale any more, what they wrote is for its buyer only.
    """
    services = services_of(request)
    ticket = (await _ask(services, ReadTicket(_existing(ticket_id)))).ticket
    ticket = await as_shown(services, ticket, services.sessions.current(request))
    return unless_unchanged(request, json_bytes(ticket_view(ticket)), {"ETag": etag(ticket.version)})


@router.put(
    "/{ticket_id}",
    **documented(
        {HTTPStatus.OK: TicketView},
        (*_OF_SELLERS, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, _TOO_MANY),
        body=TicketBody,
        signed_in=True,
        conditional=True,
    ),
)
async def edit_ticket(request: Request, ticket_id: str) -> Response:
    """Replace all that a seller can say of the ticket; what is left out is removed. Not while somebody holds it.

    With `If-Match` only if it was not edited since that version; that somebody held it meanwhile does not matter.
    """
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    services.limits.change(user_id, services.address_of(request))
    body = TicketBody.of(await read_json(request), services.rules())
    expected = expected_versions(request)
    edit = EditTicket(_existing(ticket_id), user_id, body.details(), str(ObjectId()), expected)
    ticket = (await _ask(services, edit)).ticket
    return json_response(ticket_view(ticket), headers={"ETag": etag(ticket.version)})


@router.delete(
    "/{ticket_id}",
    **documented({HTTPStatus.NO_CONTENT: None}, (*_OF_SELLERS, HTTPStatus.CONFLICT, _TOO_MANY), signed_in=True),
)
async def withdraw_ticket(request: Request, ticket_id: str) -> Response:
    """Take the ticket off the market, as its seller or an administrator. Not while it is held; a repeat is fine."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    services.limits.change(user_id, services.address_of(request))
    answer = await services.market.ask_ticket(WithdrawTicket(_existing(ticket_id), user_id))
    if isinstance(answer, NotYours) and await services.is_admin(user_id):
        ticket = (await _ask(services, ReadTicket(ticket_id))).ticket
        answer = await services.market.ask_ticket(WithdrawTicket(ticket_id, ticket.seller_id))
        if not isinstance(answer, Refusal):
            services.security_events.note(TicketTakenDown(ticket_id, user_id))
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return no_content()


@router.get(
    "/{ticket_id}/history",
    **documented(
        {HTTPStatus.OK: list[HistoryEntry], HTTPStatus.NOT_MODIFIED: None},
        (HTTPStatus.BAD_REQUEST, *_OF_SELLERS),
        query=HistorySearch,
        signed_in=True,
    ),
)
async def read_history(request: Request, ticket_id: str) -> Response:
    """Return what happened to the ticket, in order, to its seller or to an administrator; `Link` leads on."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    search = HistorySearch.of(request.query_params, services.rules())
    after, asked = search.after(ticket_id), search.echo(request.query_params)
    answer = await _ask(services, ReadTicket(_existing(ticket_id)))
    if answer.ticket.seller_id != user_id and not await services.is_admin(user_id):
        raise ForbiddenError("Only the seller sees the history of a ticket.")

    async def list_history() -> tuple[bytes, dict[str, str]]:
        found = await services.queries.history.history(f"ticket:{ticket_id}", after, search.limit)
        last = after + search.limit
        cursor = cursor_of("history", f"{last:010d}{ticket_id}") if last < answer.ticket.version else None
        content = json_bytes([history_entry(recorded) for recorded in found])
        return content, list_headers(content, link_header(f"/api/tickets/{ticket_id}/history", asked, cursor))

    content, headers = await services.lists.answer(
        ("history", ticket_id, *asked.items()), list_history, anew=True, client=services.address_of(request)
    )
    return unless_unchanged(request, content, headers)


def _wanted(search: TicketSearch, seller_id: str | None) -> Wanted:
    return Wanted(search.sort, search.q, search.category, search.city, search.min_price, search.max_price, seller_id)


def _existing(ticket_id: str) -> str:
    """Return the id. What cannot be one names no ticket: raises NotFoundError."""
    if not is_id(ticket_id):
        raise NotFoundError("There is no such ticket or order.")
    return ticket_id


async def _ask(services: Services, command: TicketCommand) -> TicketAnswer:
    """Return the ticket's answer. Raises the error of its refusal."""
    answer = await services.market.ask_ticket(command)
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return answer
