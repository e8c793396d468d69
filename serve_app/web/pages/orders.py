"""One's orders, and the page of each: paying, the bank's question, the receipt, and how it ended."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.domain.answers import PaymentAnswer
from serve_app.buying import orders, payments
from serve_app.buying.orders import admit_buyer, cancel_order, is_held, present_order
from serve_app.buying.payments import admit_payer, answer_bank_dialog, sandbox_of
from serve_app.buying.permissions import own_order
from serve_app.buying.refunds import refund_of, refunds_of
from serve_app.http.errors import CustomError, NotFoundError
from serve_app.http.idempotency import identify
from serve_app.http.paging import cursor_of
from serve_app.schemas.payments import PaymentBody
from serve_app.schemas.searches import OrderSearch
from serve_app.services import services_of
from serve_app.web.calendar_file import calendar_file
from serve_app.web.forms import KEY, Form, read_form
from serve_app.web.order_views import OrderView, view_of
from serve_app.web.page import render, see_other, signed_in
from serve_app.web.policy import OWN, WITH_STRIPE
from serve_app.web.sandbox_cards import SANDBOX_CARDS
from serve_app.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)
_AWAY = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/orders")
async def show_orders(request: Request) -> Response:
    """Show what the visitor holds, has bought, and did not buy, newest first; what is open stands on top."""
    services, now = services_of(request), visitor_of(request).now
    buyer_id = signed_in(request).user_id
    search = OrderSearch.of(request.query_params, services.rules())
    page = await services.queries.orders.of_buyer(buyer_id, search.limit, search.cursor)
    cursor = cursor_of("newest", page.next_position) if page.next_position else None
    context = {
        "open_orders": [order for order in page.items if is_held(order, now)],
        "other_orders": [order for order in page.items if not is_held(order, now)],
        "refunds": await refunds_of(services, page.items),
        "next": f"/orders?cursor={cursor}" if cursor else None,
        "is_first": search.cursor is None,
    }
    return render(request, "orders.html", context)


@router.get("/orders/{order_id}")
async def show_order(request: Request, order_id: str) -> Response:
    """Show the order to its buyer as it stands."""
    signed_in(request)
    return await _shown(request, order_id, Form())


@router.get("/orders/{order_id}/pay")
@router.get("/orders/{order_id}/bank")
@router.get("/orders/{order_id}/cancel")
@router.get("/orders/{order_id}/accept")
async def show_order_again(request: Request, order_id: str) -> Response:
    """Lead to the order: nothing is done by looking."""
    order = await own_order(services_of(request), order_id, signed_in(request).user_id)
    return see_other(f"/orders/{order.id}")


@router.post("/orders/{order_id}/pay")
async def pay(request: Request, order_id: str) -> Response:
    """Pay with what the form says. The order's page says how that went."""
    signed_in(request)
    fields = await read_form(request)
    try:
        await _pay(request, order_id, fields)
    except CustomError as error:
        return await _failed(request, order_id, Form.failed(fields, error), error)
    return see_other(f"/orders/{order_id}")


@router.post("/orders/{order_id}/bank")
async def answer_bank(request: Request, order_id: str) -> Response:
    """Answer the bank's question as its buyer does in Stripe's dialog, and go on with the payment. Sandbox only."""
    signed_in(request)
    fields = await read_form(request)
    sandbox = sandbox_of(services_of(request))
    try:
        answer = await _pay(request, order_id)
        if answer.client_secret is not None:
            succeeds = fields.get("outcome") == "succeeds"
            await answer_bank_dialog(sandbox, answer.client_secret, succeeds=succeeds)
            await _pay(request, order_id)
    except CustomError as error:
        return await _failed(request, order_id, Form.failed({}, error), error)
    return see_other(f"/orders/{order_id}")


@router.post("/orders/{order_id}/accept")
async def accept_offer(request: Request, order_id: str) -> Response:
    """Take what the line offered: from now on it is held like anything that its buyer pressed Buy for."""
    services = services_of(request)
    signed_in(request)
    try:
        buyer_id = await admit_buyer(request)
        taken = await orders.accept_offer(services, buyer_id, order_id)
    except CustomError as error:
        return await _failed(request, order_id, Form.failed({}, error), error)
    return see_other(f"/orders/{taken.id}")


@router.post("/orders/{order_id}/cancel")
async def let_go(request: Request, order_id: str) -> Response:
    """Release the ticket. After the sale the page says that it is bought."""
    buyer_id = signed_in(request).user_id
    try:
        order = await cancel_order(services_of(request), buyer_id, order_id)
    except CustomError as error:
        return await _failed(request, order_id, Form.failed({}, error), error)
    return see_other(f"/orders/{order.id}")


@router.get("/orders/{order_id}/ticket.ics")
async def read_calendar_file(request: Request, order_id: str) -> Response:
    """Return the event of a bought ticket for calendars. 404 while it is not bought, or has no date."""
    services = services_of(request)
    order = await own_order(services, order_id, signed_in(request).user_id)
    if order.starts_at is None or view_of(order, (), services.clock()) is not OrderView.COMPLETE:
        raise NotFoundError
    headers = {"Content-Disposition": 'attachment; filename="ticket.ics"'}
    return Response(calendar_file(order, services.settings.public_url), media_type="text/calendar", headers=headers)


async def _pay(request: Request, order_id: str, fields: Mapping[str, str] | None = None) -> PaymentAnswer:
    """Pay with what the fields name; without any the payment goes on that the bank asks about."""
    services = services_of(request)
    payer = await admit_payer(request)
    given = fields or {}
    sent = {name: given[name] for name in ("paymentMethod", "confirmationToken") if name in given}
    body = PaymentBody.of({"orderId": order_id, **sent}, services.rules())
    return await payments.pay(services, payer, body, identify(given.get(KEY), "payments", payer.user_id, body))


async def _failed(request: Request, order_id: str, form: Form, error: CustomError) -> Response:
    if error.status_code in _AWAY:
        raise error
    return await _shown(request, order_id, form, error)


async def _shown(request: Request, order_id: str, form: Form, error: CustomError | None = None) -> Response:
    services, visitor = services_of(request), visitor_of(request)
    order = await present_order(services, signed_in(request).user_id, order_id)
    charges = await services.queries.charges.charges_of(order.id) if order.is_open else ()
    publishable_key = services.settings.stripe_publishable_key
    has_real_cards = services.sandbox is None and publishable_key is not None
    context = {
        "order": order,
        "view": view_of(order, charges, visitor.now),
        "refund": await refund_of(services, order),
        "form": form,
        "cards": SANDBOX_CARDS if services.sandbox is not None else (),
        "publishable_key": publishable_key if has_real_cards else None,
    }
    return render(
        request,
        "order.html",
        context,
        status=error.status_code if error else HTTPStatus.OK,
        policy=WITH_STRIPE if has_real_cards and order.is_open else OWN,
        headers=error.headers if error else None,
    )
