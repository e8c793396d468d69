"""One ticket: what it is, whether it is to be had, and the button that holds it."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.domain.waiting_list import place_in
from serve_app.buying import favourites, waiting
from serve_app.buying.orders import admit_buyer, holds_of, reserve
from serve_app.http.errors import (
    ConflictError,
    CustomError,
    NotAuthorizedError,
    RequestValidationError,
    TooManyRequestsError,
)
from serve_app.http.idempotency import identify
from serve_app.schemas.orders import OrderBody
from serve_app.schemas.waiting import WaitingBody
from serve_app.search.tickets import existing, read_ticket
from serve_app.selling.facts import facts_of
from serve_app.selling.tickets import admit_change
from serve_app.services import Services, services_of
from serve_app.web.forms import Form, read_form
from serve_app.web.page import render, see_other, signed_in
from serve_app.web.structured_data import event_of
from serve_app.web.ticket_form import amount_of
from serve_app.web.ticket_views import similar_to, view_of
from serve_app.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)


@router.get("/tickets/{ticket_id}")
async def show_ticket(request: Request, ticket_id: str) -> Response:
    """Show the ticket as it is now, in the words that fit its visitor."""
    return await _shown(request, ticket_id, Form())


@router.get("/tickets/{ticket_id}/buy")
async def show_ticket_again(ticket_id: str) -> Response:
    """Lead to the ticket: nothing is bought by looking."""
    return see_other(f"/tickets/{existing(ticket_id)}")


@router.post("/tickets/{ticket_id}/buy")
async def buy(request: Request, ticket_id: str) -> Response:
    """Hold the ticket at the price that its buyer saw, and go on to pay. The page says what else happened."""
    services = services_of(request)
    if visitor_of(request).session is None:
        return see_other(f"/signin?next=/tickets/{existing(ticket_id)}")
    fields = await read_form(request)
    try:
        buyer_id = await admit_buyer(request)
        body = _body(fields, ticket_id, services)
        # Without a key: the holder's second press is the same order anyway, and a key would bring back an ended one.
        reserved = await reserve(services, buyer_id, body, identify(None, "orders", buyer_id, body))
    except NotAuthorizedError:
        return see_other(f"/signin?next=/tickets/{existing(ticket_id)}")
    except CustomError as error:
        if error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
            raise
        return await _shown(request, ticket_id, Form.failed(fields, error), error)
    return see_other(f"/orders/{reserved.order.id}")


@router.get("/tickets/{ticket_id}/wait")
@router.get("/tickets/{ticket_id}/leave-line")
async def show_line_again(ticket_id: str) -> Response:
    """Lead to the ticket: nobody joins or leaves a line by looking."""
    return see_other(f"/tickets/{existing(ticket_id)}")


@router.post("/tickets/{ticket_id}/wait")
async def wait(request: Request, ticket_id: str) -> Response:
    """Join the line for a ticket that somebody else holds."""
    services, locale = services_of(request), visitor_of(request).locale
    signed_in(request)
    fields = await read_form(request)
    try:
        user_id = await admit_buyer(request)
        limit = {"maxPrice": amount_of(fields["maxPrice"], locale)} if "maxPrice" in fields else {}
        await waiting.join(services, user_id, ticket_id, WaitingBody.of(limit, services.rules()))
    except ValueError as error:
        refused = RequestValidationError({"maxPrice": str(error)})
        return await _shown(request, ticket_id, Form.failed(fields, refused), refused)
    except CustomError as error:
        if error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
            raise
        return await _shown(request, ticket_id, Form.failed(fields, error), error)
    return see_other(f"/tickets/{ticket_id}")


@router.post("/tickets/{ticket_id}/leave-line")
async def leave_line(request: Request, ticket_id: str) -> Response:
    """Leave the line; a repeat is fine."""
    signed_in(request)
    await waiting.leave(services_of(request), admit_change(request), ticket_id)
    return see_other(f"/tickets/{ticket_id}")


def _body(fields: Mapping[str, str], ticket_id: str, services: Services) -> OrderBody:
    """Return what the button says: this ticket, at this price, as it was seen."""
    price = fields.get("expectedPrice")
    version = fields.get("expectedVersion", "")
    value: dict[str, object] = {"ticketId": existing(ticket_id)}
    if price is not None:
        value["expectedPrice"] = price
    if version.isdecimal():
        value["expectedVersion"] = int(version)
    return OrderBody.of(value, services.rules())


async def _shown(request: Request, ticket_id: str, form: Form, error: CustomError | None = None) -> Response:
    services, visitor = services_of(request), visitor_of(request)
    ticket = await read_ticket(services, ticket_id, visitor.session)
    seen = form.value("expectedPrice")
    is_price_changed = isinstance(error, ConflictError) and error.field == "expectedPrice"
    context = {
        "ticket": ticket,
        "view": view_of(ticket, visitor),
        "form": form,
        "refused": error is not None and not is_price_changed,
        "old_price": _cents(seen) if is_price_changed else None,
        # Who is refused for too many sees them, to let one go.
        "holds": await holds_of(services, visitor.user_id) if isinstance(error, TooManyRequestsError) else [],
        "similar": similar_to(ticket),
        "place_in_line": place_in(ticket.waiting, visitor.user_id) if visitor.user_id else None,
        "seller": await facts_of(services, ticket.seller_id, services.address_of(request)),
        "is_kept": await favourites.is_kept(services, visitor.user_id, ticket.id),
        "event": event_of(ticket, services.settings.public_url),
    }
    status = error.status_code if error else HTTPStatus.OK
    return render(request, "ticket.html", context, status=status, headers=error.headers if error else None)


def _cents(text: str) -> int | None:
    digits = text.replace(".", "", 1)
    return round(float(text) * 100) if digits.isdecimal() else None
