"""Registering addresses that events are sent to, and looking at what was sent."""

from dataclasses import dataclass, replace
from typing import Any

from bson import ObjectId
from starlette.requests import Request

from actors.domain.account_events import (
    WebhookEndpointDeleted,
    WebhookEndpointDisabled,
    WebhookEndpointRegistered,
    WebhookSecretRotated,
)
from actors.domain.ids import is_id
from actors.webhooks.addresses import fault_of
from actors.webhooks.delivery import TEST_TYPE, Delivery, DeliveryState, new_delivery
from actors.webhooks.endpoint import MOST_OF_USER, ROTATION_MS, Audience, DisabledReason, Endpoint
from actors.webhooks.payloads import payload
from actors.webhooks.signing import new_secret
from serve_app.http.errors import ConflictError, ForbiddenError, NotFoundError, RequestValidationError
from serve_app.http.idempotency import Identity
from serve_app.http.paging import LARGEST_LIMIT
from serve_app.schemas.webhook_endpoints import EndpointBody, EndpointChange, is_for_sellers
from serve_app.services import Services, services_of


@dataclass(frozen=True, slots=True)
class Registered:
    """An endpoint. `is_new` is False when the same request registered it before."""

    endpoint: Endpoint
    is_new: bool


async def admit_registrant(request: Request) -> str:
    """Return the id of a user who may have endpoints, and count it. Raises as `trader`, and TooManyRequestsError."""
    services = services_of(request)
    user_id = (await services.trader(request)).user_id
    services.limits.change(user_id, services.address_of(request))
    return user_id


async def register(services: Services, user_id: str, body: EndpointBody, identity: Identity) -> Registered:
    """Have events from now on sent to an address.

    Raises RequestValidationError, ForbiddenError for the whole market's events, ConflictError at the limits.
    """
    audience = Audience(body.audience)
    if audience is Audience.MARKET and not await services.is_admin(user_id):
        raise ForbiddenError("Only administrators get the events of the whole market.")
    _check(services, audience, body.url, tuple(body.events))
    known = await services.webhook_endpoints.by_id(identity.id) if identity.is_keyed else None
    if known is not None:
        if known.request != identity.request:
            raise ConflictError("This was asked before with other values: use a new Idempotency-Key.")
        return Registered(known, is_new=False)
    if await services.webhook_endpoints.count(user_id) >= MOST_OF_USER:
        raise ConflictError(f"You have {MOST_OF_USER} webhook endpoints already: delete one first.")
    if await services.webhook_endpoints.count() >= services.settings.max_webhook_endpoints:
        raise ConflictError("This market takes no more webhook endpoints.")
    now = services.clock()
    endpoint = Endpoint(
        id=identity.id,
        owner_id=user_id,
        url=body.url,
        events=tuple(body.events),
        audience=audience,
        secret=new_secret(),
        created_at=now,
        since=now,
        description=body.description,
        request=identity.request,
    )
    if not await services.webhook_endpoints.add(endpoint):
        # The same request, a moment ago.
        return Registered(await own(services, user_id, endpoint.id), is_new=False)
    services.security_events.record(WebhookEndpointRegistered(user_id, endpoint.id, audience.value))
    return Registered(endpoint, is_new=True)


async def own(services: Services, user_id: str, endpoint_id: str) -> Endpoint:
    """Return an endpoint of the user's. Raises NotFoundError, also for another's: nobody is to know of it."""
    endpoint = await services.webhook_endpoints.by_id(endpoint_id) if is_id(endpoint_id) else None
    if endpoint is None or endpoint.owner_id != user_id:
        raise NotFoundError("There is no such webhook endpoint.")
    return endpoint


async def change(services: Services, user_id: str, endpoint_id: str, body: EndpointChange) -> Endpoint:
    """Change what the body names. Enabled again, it gets what waits for it, and events from now on."""
    endpoint = await own(services, user_id, endpoint_id)
    url, events = body.url or endpoint.url, endpoint.events if body.events is None else tuple(body.events)
    _check(services, endpoint.audience, url, events)
    now = services.clock()
    changed = replace(endpoint, url=url, events=events)
    if "description" in body.model_fields_set:
        changed = replace(changed, description=body.description)
    if (url, events) != (endpoint.url, endpoint.events):
        changed = replace(changed, since=now)
    if body.enabled is False and endpoint.disabled is None:
        changed = replace(changed, disabled=DisabledReason.OWNER, disabled_at=now)
        services.security_events.record(WebhookEndpointDisabled(user_id, endpoint.id, DisabledReason.OWNER.value))
    if body.enabled and endpoint.disabled is not None:
        changed = replace(changed, disabled=None, disabled_at=None, failing_since=None, paused_until=None, since=now)
        # Otherwise the next event would find the limit reached again, before any of them is sent.
        waited = await services.webhook_deliveries.waiting(endpoint.id)
        changed = replace(changed, waited_when_enabled=waited or None)
    await _store(services, endpoint, changed)
    if body.enabled:
        await services.webhook_endpoints.wake([endpoint.id], now)
    return changed


async def rotate_secret(services: Services, user_id: str, endpoint_id: str) -> Endpoint:
    """Have another secret sign, and the old one beside it for a day."""
    endpoint = await own(services, user_id, endpoint_id)
    until = services.clock() + ROTATION_MS
    rotated = replace(endpoint, secret=new_secret(), old_secret=endpoint.secret, old_secret_until=until)
    await _store(services, endpoint, rotated)
    services.security_events.record(WebhookSecretRotated(user_id, endpoint.id))
    return rotated


async def delete(services: Services, user_id: str, endpoint_id: str) -> None:
    """Delete it with its deliveries; a repeat changes nothing. Raises NotFoundError for another's."""
    if not is_id(endpoint_id):
        raise NotFoundError("There is no such webhook endpoint.")
    endpoint = await services.webhook_endpoints.by_id(endpoint_id)
    if endpoint is None:
        return
    endpoint = await own(services, user_id, endpoint_id)
    await services.webhook_endpoints.remove(endpoint.id)
    await services.webhook_deliveries.remove_of(endpoint.id)
    services.security_events.record(WebhookEndpointDeleted(user_id, endpoint.id))


async def delete_all(services: Services, user_id: str) -> None:
    """Delete all endpoints of a user who leaves."""
    for endpoint in (await services.webhook_endpoints.of_owner(user_id, LARGEST_LIMIT)).items:
        await delete(services, user_id, endpoint.id)


async def send_test(services: Services, user_id: str, endpoint_id: str) -> Delivery:
    """Have an event sent that says nothing. Raises ConflictError while the endpoint is disabled."""
    endpoint = await own(services, user_id, endpoint_id)
    now = services.clock()
    _refuse_disabled(endpoint)
    body = payload(TEST_TYPE, now, {"endpointId": endpoint.id})
    delivery = new_delivery(endpoint.id, f"test:{ObjectId()}", TEST_TYPE, body, now)
    await services.webhook_deliveries.add([delivery])
    await services.webhook_endpoints.wake([endpoint.id], now)
    return delivery


async def retry(services: Services, user_id: str, endpoint_id: str, delivery_id: str) -> Delivery:
    """Have a delivery sent once more now, whatever came of it before. Raises ConflictError while it is disabled."""
    endpoint = await own(services, user_id, endpoint_id)
    delivery = await services.webhook_deliveries.by_id(delivery_id) if is_id(delivery_id) else None
    if delivery is None or delivery.endpoint_id != endpoint.id:
        raise NotFoundError("There is no such delivery.")
    _refuse_disabled(endpoint)
    now = services.clock()
    again = replace(delivery, state=DeliveryState.PENDING, due_at=now)
    await services.webhook_deliveries.store(again)
    await services.webhook_endpoints.wake([endpoint.id], now)
    return again


def _refuse_disabled(endpoint: Endpoint) -> None:
    if endpoint.disabled is not None:
        raise ConflictError("This webhook endpoint is disabled: enable it first.")


def _check(services: Services, audience: Audience, url: str, events: tuple[str, ...]) -> None:
    wrong: dict[str, str] = {}
    fault = fault_of(url, local=services.settings.webhook_local_receivers)
    if fault is not None:
        wrong["url"] = fault
    if audience is Audience.SELLER and not all(is_for_sellers(pattern) for pattern in events):
        wrong["events"] = "must be of ticket and order: the others are for administrators"
    if wrong:
        raise RequestValidationError(wrong)


async def _store(services: Services, before: Endpoint, after: Endpoint) -> None:
    """Write what differs and nothing else: a dispatcher may write other fields of it at the same moment."""
    names = (
        "url", "events", "description", "since", "secret", "old_secret", "old_secret_until", "disabled", "disabled_at",
        "failing_since", "paused_until", "waited_when_enabled",
    )  # fmt: skip
    values: dict[str, Any] = {
        name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)
    }
    if values:
        await services.webhook_endpoints.change(before.id, values)
