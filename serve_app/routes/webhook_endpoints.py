"""Outgoing webhooks: where events are sent, and what receivers answered."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from serve_app.http.idempotency import identify, key_of
from serve_app.http.openapi import documented
from serve_app.http.paging import cursor_of, link_header
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response, no_content
from serve_app.schemas.searches import DeliverySearch, EndpointSearch
from serve_app.schemas.webhook_endpoints import (
    DeliveryView,
    EndpointBody,
    EndpointChange,
    EndpointSecretView,
    EndpointView,
    delivery_view,
    endpoint_secret_view,
    endpoint_view,
)
from serve_app.selling import webhook_endpoints as webhooks
from serve_app.services import services_of

PREFIX = "/api/webhook-endpoints"
router = APIRouter(prefix=PREFIX, tags=["webhooks"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_OF_LISTS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, _UNAVAILABLE)
_OF_CHANGES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, _UNAVAILABLE)
_OF_ONE = (*_OF_CHANGES, HTTPStatus.NOT_FOUND)


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: EndpointSecretView, HTTPStatus.OK: EndpointSecretView},
        (*_OF_CHANGES, HTTPStatus.CONFLICT),
        body=EndpointBody,
        signed_in=True,
        scope=None,
        keyed=True,
    ),
)
async def register_endpoint(request: Request) -> Response:
    """Have events sent to an address, signed with the `secret` of the answer, which is not shown again.

    Sellers subscribe to `ticket` and `order` subjects and get those of their own tickets. `audience` market is for
    administrators: every event of the market.
    """
    services = services_of(request)
    user_id = await webhooks.admit_registrant(request)
    body = EndpointBody.of(await read_json(request), services.rules())
    identity = identify(key_of(request), "webhook-endpoints", user_id, body)
    registered = await webhooks.register(services, user_id, body, identity)
    view = endpoint_secret_view(registered.endpoint, services.clock())
    return json_response(view, HTTPStatus.CREATED if registered.is_new else HTTPStatus.OK)


@router.get(
    "", **documented({HTTPStatus.OK: list[EndpointView]}, _OF_LISTS, query=EndpointSearch, signed_in=True, scope=None)
)
async def find_endpoints(request: Request) -> Response:
    """List the caller's endpoints, newest first; `Link` leads to the next page."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    search = EndpointSearch.of(request.query_params, services.rules())
    page = await services.webhook_endpoints.of_owner(user_id, search.limit, search.cursor)
    cursor = cursor_of("webhookEndpoints", page.next_position) if page.next_position else None
    now = services.clock()
    link = link_header(PREFIX, search.known_parameters(request.query_params), cursor)
    return json_response([endpoint_view(each, now) for each in page.items], headers=link)


@router.get(
    "/{endpoint_id}",
    **documented(
        {HTTPStatus.OK: EndpointView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, _UNAVAILABLE),
        signed_in=True,
        scope=None,
    ),
)
async def read_endpoint(request: Request, endpoint_id: str) -> Response:
    """Return an endpoint of the caller's, without its secret."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    endpoint = await webhooks.own(services, user_id, endpoint_id)
    return json_response(endpoint_view(endpoint, services.clock()))


@router.patch(
    "/{endpoint_id}",
    **documented({HTTPStatus.OK: EndpointView}, _OF_ONE, body=EndpointChange, signed_in=True, scope=None),
)
async def change_endpoint(request: Request, endpoint_id: str) -> Response:
    """Change address, subjects or description; disable it, or enable it again: then what waits for it is sent."""
    services = services_of(request)
    user_id = await webhooks.admit_registrant(request)
    body = EndpointChange.of(await read_json(request), services.rules())
    changed = await webhooks.change(services, user_id, endpoint_id, body)
    return json_response(endpoint_view(changed, services.clock()))


@router.delete("/{endpoint_id}", **documented({HTTPStatus.NO_CONTENT: None}, _OF_ONE, signed_in=True, scope=None))
async def delete_endpoint(request: Request, endpoint_id: str) -> Response:
    """Delete the endpoint with its deliveries; a repeat changes nothing."""
    user_id = await webhooks.admit_registrant(request)
    await webhooks.delete(services_of(request), user_id, endpoint_id)
    return no_content()


@router.post(
    "/{endpoint_id}/rotate-secret",
    **documented({HTTPStatus.OK: EndpointSecretView}, _OF_ONE, signed_in=True, scope=None),
)
async def rotate_secret(request: Request, endpoint_id: str) -> Response:
    """Make another `secret`, which is shown this once. For 24 hours the old one signs too."""
    services = services_of(request)
    user_id = await webhooks.admit_registrant(request)
    rotated = await webhooks.rotate_secret(services, user_id, endpoint_id)
    return json_response(endpoint_secret_view(rotated, services.clock()))


@router.post(
    "/{endpoint_id}/test",
    **documented({HTTPStatus.ACCEPTED: DeliveryView}, (*_OF_ONE, HTTPStatus.CONFLICT), signed_in=True, scope=None),
)
async def send_test(request: Request, endpoint_id: str) -> Response:
    """Have a `webhook.test` event sent; the list of deliveries says what was answered."""
    user_id = await webhooks.admit_registrant(request)
    delivery = await webhooks.send_test(services_of(request), user_id, endpoint_id)
    return json_response(delivery_view(delivery), HTTPStatus.ACCEPTED)


@router.get(
    "/{endpoint_id}/deliveries",
    **documented(
        {HTTPStatus.OK: list[DeliveryView]},
        (*_OF_LISTS, HTTPStatus.NOT_FOUND),
        query=DeliverySearch,
        signed_in=True,
        scope=None,
    ),
)
async def find_deliveries(request: Request, endpoint_id: str) -> Response:
    """List what was and is to be sent in the last 30 days, newest first; `Link` leads to the next page."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    endpoint = await webhooks.own(services, user_id, endpoint_id)
    search = DeliverySearch.of(request.query_params, services.rules())
    page = await services.webhook_deliveries.of_endpoint(endpoint.id, search.limit, search.cursor)
    cursor = cursor_of("deliveries", page.next_position) if page.next_position else None
    link = link_header(f"{PREFIX}/{endpoint.id}/deliveries", search.known_parameters(request.query_params), cursor)
    return json_response([delivery_view(each) for each in page.items], headers=link)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/retry",
    **documented({HTTPStatus.ACCEPTED: DeliveryView}, (*_OF_ONE, HTTPStatus.CONFLICT), signed_in=True, scope=None),
)
async def retry_delivery(request: Request, endpoint_id: str, delivery_id: str) -> Response:
    """Have a delivery sent once more now, with the same `webhook-id`."""
    user_id = await webhooks.admit_registrant(request)
    delivery = await webhooks.retry(services_of(request), user_id, endpoint_id, delivery_id)
    return json_response(delivery_view(delivery), HTTPStatus.ACCEPTED)
