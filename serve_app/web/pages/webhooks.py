"""Webhooks: where events are sent, the secrets that sign, and what receivers answered."""

from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.webhooks.endpoint import Endpoint
from serve_app.http.errors import CustomError
from serve_app.http.idempotency import identify
from serve_app.http.paging import DEFAULT_LIMIT, LARGEST_LIMIT, cursor_of
from serve_app.schemas.searches import DeliverySearch
from serve_app.schemas.webhook_endpoints import EndpointBody, EndpointChange
from serve_app.selling import webhook_endpoints as webhooks
from serve_app.services import services_of
from serve_app.web.forms import KEY, Form, read_form
from serve_app.web.page import render, see_other, signed_in

router = APIRouter(include_in_schema=False)
_LIST = "/account/webhooks"


@router.get(_LIST)
async def show_webhooks(request: Request) -> Response:
    """Show the visitor's endpoints, and the form for another one."""
    return await _list(request)


@router.post(_LIST)
async def register(request: Request) -> Response:
    """Register an endpoint, and show its secret this once."""
    signed_in(request)
    services, user_id = services_of(request), await webhooks.admit_registrant(request)
    fields = await read_form(request)
    try:
        body = EndpointBody.of(_sent(fields), services.rules())
        identity = identify(fields.get(KEY), "webhook-endpoints", user_id, body)
        registered = await webhooks.register(services, user_id, body, identity)
    except CustomError as error:
        return await _list(request, Form.failed(fields, error), error)
    return await _one(request, registered.endpoint, secret=registered.endpoint.secret)


@router.get(_LIST + "/{endpoint_id}")
async def show_webhook(request: Request, endpoint_id: str) -> Response:
    """Show an endpoint, what can be done with it, and what was sent."""
    user_id = signed_in(request).user_id
    return await _one(request, await webhooks.own(services_of(request), user_id, endpoint_id))


@router.post(_LIST + "/{endpoint_id}")
async def change(request: Request, endpoint_id: str) -> Response:
    """Change address, subjects and description, or switch it off and on."""
    signed_in(request)
    services, user_id = services_of(request), await webhooks.admit_registrant(request)
    fields = await read_form(request)
    endpoint = await webhooks.own(services, user_id, endpoint_id)
    try:
        # What was left empty is not in a form: a description that was there is taken away.
        values = {"description": None, **_sent(fields)}
        switch = {"enabled": fields.get("enabled") == "yes"}
        body = EndpointChange.of(switch if "enabled" in fields else values, services.rules())
        await webhooks.change(services, user_id, endpoint_id, body)
    except CustomError as error:
        return await _one(request, endpoint, form=Form.failed(fields, error), error=error)
    return see_other(f"{_LIST}/{endpoint_id}?done=changed")


@router.post(_LIST + "/{endpoint_id}/rotate")
async def rotate(request: Request, endpoint_id: str) -> Response:
    """Make another secret, and show it this once."""
    signed_in(request)
    user_id = await webhooks.admit_registrant(request)
    rotated = await webhooks.rotate_secret(services_of(request), user_id, endpoint_id)
    return await _one(request, rotated, secret=rotated.secret)


@router.post(_LIST + "/{endpoint_id}/test")
async def send_test(request: Request, endpoint_id: str) -> Response:
    """Have an event sent that says nothing."""
    signed_in(request)
    services, user_id = services_of(request), await webhooks.admit_registrant(request)
    try:
        await webhooks.send_test(services, user_id, endpoint_id)
    except CustomError as error:
        endpoint = await webhooks.own(services, user_id, endpoint_id)
        return await _one(request, endpoint, form=Form.failed({}, error), error=error)
    return see_other(f"{_LIST}/{endpoint_id}?done=sent")


@router.post(_LIST + "/{endpoint_id}/delete")
async def delete(request: Request, endpoint_id: str) -> Response:
    """Delete an endpoint with its deliveries."""
    signed_in(request)
    user_id = await webhooks.admit_registrant(request)
    await webhooks.delete(services_of(request), user_id, endpoint_id)
    return see_other(f"{_LIST}?done=deleted")


@router.post(_LIST + "/{endpoint_id}/deliveries/{delivery_id}")
async def retry(request: Request, endpoint_id: str, delivery_id: str) -> Response:
    """Have a delivery sent once more."""
    signed_in(request)
    services, user_id = services_of(request), await webhooks.admit_registrant(request)
    try:
        await webhooks.retry(services, user_id, endpoint_id, delivery_id)
    except CustomError as error:
        endpoint = await webhooks.own(services, user_id, endpoint_id)
        return await _one(request, endpoint, form=Form.failed({}, error), error=error)
    return see_other(f"{_LIST}/{endpoint_id}?done=sent")


@router.get(_LIST + "/{endpoint_id}/rotate")
@router.get(_LIST + "/{endpoint_id}/test")
@router.get(_LIST + "/{endpoint_id}/delete")
@router.get(_LIST + "/{endpoint_id}/deliveries/{delivery_id}")
async def show_webhooks_again(_request: Request) -> Response:
    """Lead from the addresses of forms to the list: nothing is done by looking."""
    return see_other(_LIST)


def _sent(fields: dict[str, str]) -> dict[str, object]:
    """Return what the schema checks: a form has the subjects in one field, between spaces, commas or lines."""
    found: dict[str, object] = {name: fields[name] for name in ("description", "audience") if name in fields}
    # What is empty is left out of a form; without it the schema has nothing to say of it.
    return {**found, "url": fields.get("url", ""), "events": fields.get("events", "").replace(",", " ").split()}


async def _list(request: Request, form: Form | None = None, error: CustomError | None = None) -> Response:
    services, user_id = services_of(request), signed_in(request).user_id
    page = await services.webhook_endpoints.of_owner(user_id, LARGEST_LIMIT)
    context = {
        "endpoints": page.items,
        "form": form or Form({"events": "order.*"}),
        "is_admin": await services.is_admin(user_id),
        "done": request.query_params.get("done", ""),
    }
    status, headers = (error.status_code, error.headers) if error else (HTTPStatus.OK, None)
    return render(request, "webhooks.html", context, status=status, has_secrets=True, headers=headers)


async def _one(
    request: Request,
    endpoint: Endpoint,
    *,
    secret: str = "",
    form: Form | None = None,
    error: CustomError | None = None,
) -> Response:
    services = services_of(request)
    search = DeliverySearch.of(request.query_params if request.method == "GET" else {}, services.rules())
    page = await services.webhook_deliveries.of_endpoint(endpoint.id, DEFAULT_LIMIT, search.cursor)
    more = page.next_position and urlencode({"cursor": cursor_of("deliveries", page.next_position)})
    values = {"url": endpoint.url, "events": " ".join(endpoint.events), "description": endpoint.description or ""}
    context = {
        "endpoint": endpoint,
        "secret": secret,
        "old_secret_signs": len(endpoint.secrets_at(services.clock())) > 1,
        "deliveries": page.items,
        "form": form
        if form and form.values
        else Form(values, form.errors if form else {}, form.messages if form else ()),
        "has_errors": error is not None,
        "next": f"{_LIST}/{endpoint.id}?{more}" if more else None,
        "is_first": search.cursor is None,
        "done": request.query_params.get("done", ""),
    }
    status, headers = (error.status_code, error.headers) if error else (HTTPStatus.OK, None)
    return render(request, "webhook.html", context, status=status, has_secrets=True, headers=headers)
