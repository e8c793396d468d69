"""Pages of administrators. Everybody else gets 404 from all of them: they tell nothing, not even that they exist."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.domain.codec import event_name
from actors.domain.ids import is_id
from actors.storage.catalogue import TicketFilter
from actors.storage.users import User
from serve_app.accounts import bans
from serve_app.buying.permissions import visible_order
from serve_app.buying.refunds import refund_of, resolve_refund
from serve_app.http.errors import CustomError, ForbiddenError, NotAuthorizedError, NotFoundError
from serve_app.http.paging import DEFAULT_LIMIT, LARGEST_LIMIT
from serve_app.schemas.admin import Takedown
from serve_app.selling import tickets as selling
from serve_app.services import Services, services_of
from serve_app.web.forms import Form, read_form, sent
from serve_app.web.page import render, see_other

router = APIRouter(include_in_schema=False, prefix="/admin")


async def _admin(request: Request) -> User:
    """Return the administrator whose request it is. Raises NotFoundError for all others."""
    try:
        return await services_of(request).admin(request)
    except (NotAuthorizedError, ForbiddenError):
        raise NotFoundError from None


@router.get("")
async def show_work(request: Request) -> Response:
    """Show what is to be done, or lead to what has the id that was asked for."""
    services, admin = services_of(request), await _admin(request)
    wanted = request.query_params.get("id", "").strip().lower()
    if wanted and (found := await _address_of(services, admin, wanted)):
        return see_other(found)
    refunds = await services.queries.failed_refunds.page(LARGEST_LIMIT)
    context = {
        "is_unknown": bool(wanted),
        "refunds": refunds.items,
        "reports": await services.reports.open(LARGEST_LIMIT),
        "most": LARGEST_LIMIT,
        "done": request.query_params.get("done", ""),
    }
    return render(request, "admin.html", context)


async def _address_of(services: Services, admin: User, wanted: str) -> str | None:
    """Return the page of the user, the order or the ticket that has this id."""
    if not is_id(wanted):
        return None
    if await services.users.by_id(wanted) is not None:
        return f"/admin/users/{wanted}"
    if await services.queries.orders.by_id(wanted) is not None:
        return f"/admin/orders/{wanted}"
    try:
        await selling.own_ticket(services, admin.id, wanted)
    except NotFoundError:
        return None
    return f"/admin/tickets/{wanted}"


@router.post("/reports/{report_id}")
async def close_report(request: Request, report_id: str) -> Response:
    """Note that an administrator has looked at what was reported."""
    admin = await _admin(request)
    await services_of(request).reports.close(report_id, admin.id)
    return see_other("/admin?done=closed")


@router.get("/users/{user_id}")
async def show_user(request: Request, user_id: str) -> Response:
    """Show an account, and what it lists and buys."""
    await _admin(request)
    return await _user_page(request, user_id)


@router.post("/users/{user_id}")
async def change_user(request: Request, user_id: str) -> Response:
    """Shut the user out, or let them in again."""
    services, admin = services_of(request), await _admin(request)
    fields = await read_form(request)
    try:
        match fields.get("change"):
            case "ban":
                await bans.ban(services, admin, user_id)
                return see_other(f"/admin/users/{user_id}?done=banned")
            case "unban":
                await bans.unban(services, admin, user_id)
                return see_other(f"/admin/users/{user_id}?done=unbanned")
    except CustomError as error:
        return await _user_page(request, user_id, _shown_again(error), error)
    return see_other(f"/admin/users/{user_id}")


@router.get("/tickets/{ticket_id}")
async def show_ticket(request: Request, ticket_id: str) -> Response:
    """Show a ticket with everything that happened to it, and who did it."""
    return await _ticket_page(request, await _admin(request), ticket_id)


@router.post("/tickets/{ticket_id}")
async def take_down(request: Request, ticket_id: str) -> Response:
    """Take a ticket off the market, and keep the reason."""
    services, admin = services_of(request), await _admin(request)
    fields = await read_form(request)
    try:
        body = Takedown.of(sent(fields, "reason"), services.rules())
        await selling.withdraw_ticket(services, admin.id, ticket_id, body.reason)
    except CustomError as error:
        return await _ticket_page(request, admin, ticket_id, _shown_again(error, fields), error)
    return see_other(f"/admin/tickets/{ticket_id}?done=withdrawn")


@router.get("/orders/{order_id}")
async def show_order(request: Request, order_id: str) -> Response:
    """Show an order with its payments."""
    return await _order_page(request, await _admin(request), order_id)


@router.post("/orders/{order_id}")
async def change_order(request: Request, order_id: str) -> Response:
    """Give the buyer the money back, or note that they were paid by hand."""
    services, admin = services_of(request), await _admin(request)
    fields = await read_form(request)
    try:
        match fields.get("change"):
            case "refund":
                await selling.refund_order(services, admin.id, order_id)
                return see_other(f"/admin/orders/{order_id}?done=refunded")
            case "resolve":
                await resolve_refund(services, admin.id, order_id)
                return see_other(f"/admin/orders/{order_id}?done=paid")
    except CustomError as error:
        return await _order_page(request, admin, order_id, _shown_again(error), error)
    return see_other(f"/admin/orders/{order_id}")


async def _user_page(
    request: Request, user_id: str, form: Form | None = None, error: CustomError | None = None
) -> Response:
    services = services_of(request)
    user = await bans.existing_user(services, user_id)
    own = TicketFilter("newest", seller_id=user.id)
    context = {
        "user": user,
        "tickets": (
            await services.queries.catalogue.page(own, DEFAULT_LIMIT, None, services.clock(), refresh=True)
        ).items,
        "orders": (await services.queries.orders.of_buyer(user.id, DEFAULT_LIMIT)).items,
    }
    return _page(request, "admin-user.html", context, form, error)


async def _ticket_page(
    request: Request, admin: User, ticket_id: str, form: Form | None = None, error: CustomError | None = None
) -> Response:
    services = services_of(request)
    ticket = await selling.own_ticket(services, admin.id, ticket_id)
    past, is_cut = await selling.newest_history(services, ticket)
    context = {
        "ticket": ticket,
        "past": [(event_name(recorded.event), recorded, selling.past_order(recorded)) for recorded in past],
        "is_cut": is_cut,
    }
    return _page(request, "admin-ticket.html", context, form, error)


async def _order_page(
    request: Request, admin: User, order_id: str, form: Form | None = None, error: CustomError | None = None
) -> Response:
    services = services_of(request)
    order = await visible_order(services, order_id, admin.id)
    context = {
        "order": order,
        "charges": await services.queries.charges.charges_of(order.id),
        "refund": await refund_of(services, order),
    }
    return _page(request, "admin-order.html", context, form, error)


def _shown_again(error: CustomError, fields: Mapping[str, str] | None = None) -> Form:
    """Return the form with what was refused. Raises what is no matter of the form."""
    if error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
        raise error
    return Form.failed(fields or {}, error)


def _page(
    request: Request, template: str, context: Mapping[str, object], form: Form | None, error: CustomError | None
) -> Response:
    shown = {**context, "form": form or Form(), "done": request.query_params.get("done", "")}
    return render(request, template, shown, status=error.status_code if error else HTTPStatus.OK)
