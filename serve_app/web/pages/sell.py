"""Selling: listing a ticket, editing it, and taking it off the market."""

from http import HTTPStatus
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.domain.fees import spoken_percent
from actors.domain.ticket import Ticket
from serve_app.http.errors import CustomError, PreconditionFailedError
from serve_app.http.idempotency import identify
from serve_app.schemas.tickets import TicketBody
from serve_app.selling import tickets as selling
from serve_app.selling.fees import rest_of
from serve_app.selling.tickets import admit_change, admit_seller
from serve_app.services import services_of
from serve_app.web.forms import KEY, Form, read_form
from serve_app.web.page import render, see_other, signed_in
from serve_app.web.ticket_form import NAMES, price_of, ticket_body, turns_of, values_of
from serve_app.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)
# Reading their names takes 60 ms, so it is done before anybody waits. Those with a place in them are people's.
_ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
_AWAY = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED)


@router.get("/sell")
async def show_sell(request: Request) -> Response:
    """Show the form of a new listing."""
    signed_in(request)
    zone = visitor_of(request).timezone
    response = _form(request, Form({"timezone": zone.key} if zone else {}))
    # Back leads to this very page, whose key makes a second submission the same listing. It has nothing of a person.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@router.post("/sell")
async def sell(request: Request) -> Response:
    """List the ticket, or with `preview` show it as buyers would see it."""
    services, locale = services_of(request), visitor_of(request).locale
    seller_id = signed_in(request).user_id
    fields = await read_form(request)
    try:
        if "preview" in fields:
            body = ticket_body(fields, locale, services)
            return _form(request, Form(fields, key=fields.get(KEY, "")), preview=_preview(request, seller_id, body))
        await admit_seller(request)
        body = ticket_body(fields, locale, services)
        identity = identify(fields.get(KEY), "tickets", seller_id, body)
        listed = await selling.list_ticket(services, seller_id, body, identity)
    except CustomError as error:
        return _form(request, Form.failed(fields, error, names=NAMES), error=error)
    return see_other(f"/listings/{listed.ticket.id}?done=listed")


@router.get("/tickets/{ticket_id}/edit")
async def show_edit(request: Request, ticket_id: str) -> Response:
    """Show the form of a ticket to its seller."""
    ticket = await selling.own_ticket(services_of(request), signed_in(request).user_id, ticket_id)
    return _form(request, Form({**values_of(ticket.details), "version": str(ticket.version)}), ticket=ticket)


@router.post("/tickets/{ticket_id}/edit")
async def edit(request: Request, ticket_id: str) -> Response:
    """Replace what is said of the ticket, unless it was edited elsewhere since the form was made."""
    services, locale = services_of(request), visitor_of(request).locale
    user_id = signed_in(request).user_id
    fields = await read_form(request)
    ticket = await selling.own_ticket(services, user_id, ticket_id)
    try:
        if "preview" in fields:
            body = ticket_body(fields, locale, services)
            return _form(request, Form(fields), ticket=ticket, preview=_preview(request, user_id, body))
        admit_change(request)
        version = fields.get("version", "")
        expected = (int(version),) if version.isdecimal() else None
        await selling.edit_ticket(services, user_id, ticket_id, ticket_body(fields, locale, services), expected)
    except CustomError as error:
        if error.status_code in _AWAY:
            raise
        is_stale = isinstance(error, PreconditionFailedError)
        # Whoever sends it again has seen what is there now.
        shown = {**fields, "version": str(ticket.version)} if is_stale else fields
        form = Form.failed(shown, error, names=NAMES)
        return _form(request, form, ticket=ticket, error=error, is_stale=is_stale)
    return see_other(f"/listings/{ticket_id}?done=edited")


@router.get("/tickets/{ticket_id}/withdraw")
async def show_withdraw(request: Request, ticket_id: str) -> Response:
    """Ask once before the ticket is taken off the market."""
    ticket = await selling.own_ticket(services_of(request), signed_in(request).user_id, ticket_id)
    return render(request, "withdraw.html", {"ticket": ticket, "form": Form()})


@router.post("/tickets/{ticket_id}/withdraw")
async def withdraw(request: Request, ticket_id: str) -> Response:
    """Take the ticket off the market; a repeat is fine."""
    services = services_of(request)
    user_id = signed_in(request).user_id
    try:
        admit_change(request)
        await selling.withdraw_ticket(services, user_id, ticket_id)
    except CustomError as error:
        if error.status_code in _AWAY:
            raise
        ticket = await selling.own_ticket(services, user_id, ticket_id)
        context = {"ticket": ticket, "form": Form.failed({}, error)}
        return render(request, "withdraw.html", context, status=error.status_code, headers=error.headers)
    return see_other(f"/listings/{ticket_id}?done=withdrawn")


def _preview(request: Request, seller_id: str, body: TicketBody) -> Ticket:
    now = visitor_of(request).now
    return Ticket("0" * 24, seller_id, body.details(), 1, now, now)


def _form(  # noqa: PLR0913 - what the page shows
    request: Request,
    form: Form,
    *,
    ticket: Ticket | None = None,
    preview: Ticket | None = None,
    error: CustomError | None = None,
    is_stale: bool = False,
) -> Response:
    settings = services_of(request).settings
    price, cap = price_of(form.values, visitor_of(request).locale, settings.currency), settings.resale_cap_hundredths
    context = {
        "form": form,
        "ticket": ticket,
        "preview": preview,
        "is_stale": is_stale,
        "zones": _ZONES,
        "turns": turns_of(form.values),
        "gets": None if price is None else rest_of(price, settings),
        "fee": spoken_percent(settings.fee_hundredths) if settings.fee_hundredths else "",
        "cap": spoken_percent(cap) if cap is not None else "",
    }
    status = error.status_code if error else HTTPStatus.OK
    return render(request, "sell.html", context, status=status, headers=error.headers if error else None)
