"""The first page: searching for tickets. Its address is the search, so that it can be kept and sent."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.storage.page import Page
from serve_app.http.errors import CustomError, RequestValidationError
from serve_app.http.paging import cursor_of
from serve_app.schemas.searches import TicketSearch
from serve_app.search.tickets import find_tickets
from serve_app.services import services_of
from serve_app.web.formats import Formats
from serve_app.web.forms import Form
from serve_app.web.page import part, render
from serve_app.web.search_address import FILTERS, address_of, shown_in
from serve_app.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Card:
    """A ticket as everybody with these formats sees it; whose it is marks it for its seller."""

    element: str
    seller_id: str
    html: Markup


@dataclass(frozen=True, slots=True)
class Found:
    """A page of cards, and the address of the next one if there may be more."""

    cards: list[Card]
    next: str | None
    # When the list was read: tickets that were listed later are new.
    at: Instant


@router.get("/")
async def show_landing(request: Request) -> Response:
    """Show tickets for sale that fit the search."""
    services, visitor = services_of(request), visitor_of(request)
    formats = Formats(visitor)
    # A page shows what is for sale; one's own have a page of their own.
    parameters = {
        name: value for name, value in request.query_params.items() if value and name not in {"seller", "limit"}
    }
    shown = shown_in(parameters)
    context: dict[str, object] = {
        "shown": urlencode(shown),
        "filters": [(text, address_of(shown, without=name)) for name, text in FILTERS.items() if name in shown],
        "start": address_of(shown),
        "again": address_of(parameters),
        "is_first": "cursor" not in parameters,
        "noindex": bool(parameters),
        "retry": False,
        "is_signed_out": parameters.get("done") == "signedout",
    }
    try:
        search = TicketSearch.of(parameters, services.rules())
        asked = search.known_parameters(parameters)

        def as_cards(page: Page[Ticket]) -> Found:
            cursor = cursor_of(search.sort, page.next_position) if page.next_position else None
            cards = [
                Card(f"ticket-{ticket.id}", ticket.seller_id, part("parts/tickets.html", "card", ticket, formats))
                for ticket in page.items
            ]
            return Found(cards, address_of({**asked, "cursor": cursor}) if cursor else None, services.clock())

        found = await find_tickets(request, search, asked, as_cards, representation=("cards", *visitor.formats_key))
    except CustomError as error:
        return _failed(request, shown, error, context)
    return render(request, "landing.html", {**context, "form": Form(shown), "found": found})


def _failed(request: Request, shown: dict[str, str], error: CustomError, context: dict[str, object]) -> Response:
    """Show the search again with what is wrong with it, or that the market does not answer just now."""
    if isinstance(error, RequestValidationError) and "cursor" in error.fields:
        error = RequestValidationError({"": "This list has moved on. Go back to its start."})
        context = {**context, "filters": [("the old position", address_of(shown))]}
    is_away = error.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    form = Form(shown) if is_away else Form.failed(shown, error)
    context = {**context, "form": form, "found": None, "retry": is_away}
    return render(request, "landing.html", context, status=error.status_code, headers=error.headers)
