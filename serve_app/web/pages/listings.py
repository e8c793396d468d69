"""One's listings: what is for sale, held and sold, what happened to each, and giving money back."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketStatus
from actors.storage.page import Page
from actors.storage.tickets import MOST_COUNTED
from serve_app.buying import waiting
from serve_app.http.errors import CustomError
from serve_app.http.paging import cursor_of
from serve_app.schemas.searches import TicketSearch
from serve_app.search.tickets import existing, find_tickets
from serve_app.selling import tickets as selling
from serve_app.selling.fees import seller_gets
from serve_app.selling.tickets import admit_change
from serve_app.services import services_of
from serve_app.web import tables
from serve_app.web.forms import Form
from serve_app.web.page import render, see_other, signed_in
from serve_app.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)
_CSV = "text/csv; charset=utf-8"
_STATES = {
    "All": None,
    "For sale": TicketStatus.AVAILABLE,
    "Held": TicketStatus.RESERVED,
    "Sold": TicketStatus.SOLD,
    "Withdrawn": TicketStatus.WITHDRAWN,
}


@router.get("/listings")
async def show_listings(request: Request) -> Response:
    """Show the visitor's tickets in every state or in one, newest first, and how many there are in each."""
    services, seller_id = services_of(request), signed_in(request).user_id
    given = {name: value for name, value in request.query_params.items() if name == "cursor" and value}
    search = TicketSearch.of(given, services.rules())
    asked = request.query_params.get("state")
    status = TicketStatus(asked) if asked in list(TicketStatus) else None

    def as_they_are(page: Page[Ticket]) -> Page[Ticket]:
        return page

    representation = ("listings",)
    page, counted = await asyncio.gather(
        find_tickets(
            request, search, given, as_they_are, representation=representation, seller_id=seller_id, status=status
        ),
        services.queries.tickets.counted_by_status(seller_id, services.clock()),
    )
    cursor = {"cursor": cursor_of("newest", page.next_position)} if page.next_position else None
    context = {
        "tickets": page.items,
        "gets": {ticket.id: seller_gets(ticket, services.settings) for ticket in page.items},
        "next": _address(status, cursor) if cursor else None,
        "start": _address(status),
        "is_first": search.cursor is None,
        "status": status,
        "states": [
            (name, _address(of), of is status, counted[of] if of else counted.total()) for name, of in _STATES.items()
        ],
        "is_counted_in_part": counted.total() == MOST_COUNTED,
        "most_counted": MOST_COUNTED,
    }
    return render(request, "listings.html", context)


def _address(status: TicketStatus | None, parameters: Mapping[str, str] | None = None) -> str:
    query = urlencode(({"state": status.value} if status else {}) | dict(parameters or {}))
    return f"/listings?{query}" if query else "/listings"


@router.get("/listings.csv")
async def read_listings(request: Request) -> Response:
    """Return all of the visitor's listings as a table."""
    rows = tables.listings(services_of(request), signed_in(request).user_id)
    headers = {"Content-Disposition": 'attachment; filename="holdfast-listings.csv"'}
    return StreamingResponse(rows, media_type=_CSV, headers=headers)


@router.get("/orders.csv")
async def read_orders(request: Request) -> Response:
    """Return all of the visitor's orders as a table."""
    rows = tables.orders(services_of(request), signed_in(request).user_id)
    headers = {"Content-Disposition": 'attachment; filename="holdfast-orders.csv"'}
    return StreamingResponse(rows, media_type=_CSV, headers=headers)


@router.get("/listings/{ticket_id}")
async def show_listing(request: Request, ticket_id: str) -> Response:
    """Show one's ticket with everything that happened to it."""
    return await _shown(request, ticket_id, Form())


@router.get("/listings/{ticket_id}/close-line")
@router.get("/listings/{ticket_id}/refund")
async def show_listing_again(ticket_id: str) -> Response:
    """Lead to the listing: no money goes back by looking."""
    return see_other(f"/listings/{existing(ticket_id)}")


@router.post("/listings/{ticket_id}/close-line")
async def close_line(request: Request, ticket_id: str) -> Response:
    """Send everybody away who waits for the ticket; a repeat is fine."""
    signed_in(request)
    await waiting.close(services_of(request), admit_change(request), ticket_id)
    return see_other(f"/listings/{ticket_id}")


@router.post("/listings/{ticket_id}/refund")
async def refund(request: Request, ticket_id: str) -> Response:
    """Give the buyer the money back, and have the ticket for sale again."""
    services, user_id = services_of(request), signed_in(request).user_id
    ticket = await selling.own_ticket(services, user_id, ticket_id)
    if ticket.order is None:
        return see_other(f"/listings/{ticket.id}")
    try:
        await selling.refund_order(services, user_id, ticket.order.id)
    except CustomError as error:
        if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return await _shown(request, ticket_id, Form.failed({}, error), error)
    return see_other(f"/listings/{ticket.id}?done=refunded")


async def _shown(request: Request, ticket_id: str, form: Form, error: CustomError | None = None) -> Response:
    services = services_of(request)
    ticket = await selling.own_ticket(services, signed_in(request).user_id, ticket_id)
    past, is_cut = await selling.newest_history(services, ticket)
    starts_at = ticket.details.starts_at
    context = {
        "ticket": ticket,
        "gets": seller_gets(ticket, services.settings),
        "form": form,
        "past": [(selling.past_name(recorded), recorded, selling.past_order(recorded)) for recorded in past],
        "is_cut": is_cut,
        "has_begun": starts_at is not None and starts_at <= visitor_of(request).now,
        "is_sold": ticket.status is TicketStatus.SOLD,
        "done": request.query_params.get("done", ""),
    }
    status = error.status_code if error else HTTPStatus.OK
    return render(request, "listing.html", context, status=status, headers=error.headers if error else None)
