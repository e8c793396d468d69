"""Webhook endpoints and their deliveries as owners send and see them."""

import re
from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, WithJsonSchema
from typing_extensions import TypedDict

from actors.domain.instants import Instant
from actors.webhooks.delivery import Attempt, Delivery
from actors.webhooks.endpoint import LONGEST_URL, Audience, Endpoint
from actors.webhooks.payloads import SELLER_FAMILIES
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Place

MOST_PATTERNS = 30
# Words between dots; `*` for one of them, `>` at the end for the rest.
_PATTERN = re.compile(r"(?:>|(?:[a-z_]{1,30}|\*)(?:\.(?:[a-z_]{1,30}|\*)){0,3}(?:\.>)?)")


def _patterns(patterns: list[str]) -> list[str]:
    if not 1 <= len(patterns) <= MOST_PATTERNS or not all(_PATTERN.fullmatch(pattern) for pattern in patterns):
        raise ValueError(f"must be 1 to {MOST_PATTERNS} subjects such as order.completed, ticket.* or >")
    return list(dict.fromkeys(patterns))


def is_for_sellers(pattern: str) -> bool:
    """Whether the pattern can find events that sellers may have."""
    return pattern.partition(".")[0] in (*SELLER_FAMILIES, "*", ">")


Url = Annotated[str, WithJsonSchema({"type": "string", "format": "uri", "maxLength": LONGEST_URL})]
Patterns = Annotated[
    list[str],
    AfterValidator(_patterns),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": MOST_PATTERNS,
            "examples": [["order.*"]],
        }
    ),
]


class EndpointBody(Body):
    """A new endpoint. `audience` market is for administrators: every event of the market."""

    url: Url
    events: Patterns
    description: Place = None
    audience: Literal["seller", "market"] = "seller"


class EndpointChange(Body):
    """What is to be another way; what is left out stays as it is."""

    url: Url | None = None
    events: Patterns | None = None
    description: Place = None
    enabled: bool | None = None


class EndpointView(TypedDict):
    """An endpoint. `disabledReason` is owner, gone (410), failing (for five days) or backlog (too much waited)."""

    id: str
    url: str
    events: list[str]
    audience: Audience
    description: str | None
    enabled: bool
    createdAt: str
    disabledReason: NotRequired[str]
    disabledAt: NotRequired[str]
    failingSince: NotRequired[str]
    oldSecretValidUntil: NotRequired[str]


class EndpointSecretView(EndpointView):
    """An endpoint with the secret that signs, which is shown this once."""

    secret: str


class AttemptView(TypedDict):
    """One try. Without a status there was no answer, and `error` says why."""

    at: str
    durationMs: int
    status: int | None
    body: str
    error: str | None


class DeliveryView(TypedDict):
    """An event on its way. `webhookId` is the header that is the same in all tries."""

    id: str
    webhookId: str
    type: str
    state: str
    createdAt: str
    tries: int
    nextTryAt: NotRequired[str]
    attempts: list[AttemptView]


def endpoint_view(endpoint: Endpoint, now: Instant) -> EndpointView:
    """Return the endpoint without its secret."""
    view: EndpointView = {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "audience": endpoint.audience,
        "description": endpoint.description,
        "enabled": endpoint.disabled is None,
        "createdAt": iso(endpoint.created_at),
    }
    if endpoint.disabled is not None:
        view["disabledReason"] = endpoint.disabled.value
    if endpoint.disabled_at is not None:
        view["disabledAt"] = iso(endpoint.disabled_at)
    if endpoint.failing_since is not None:
        view["failingSince"] = iso(endpoint.failing_since)
    if endpoint.old_secret_until is not None and now < endpoint.old_secret_until:
        view["oldSecretValidUntil"] = iso(endpoint.old_secret_until)
    return view


def endpoint_secret_view(endpoint: Endpoint, now: Instant) -> EndpointSecretView:
    """Return the endpoint with its secret, to be shown once."""
    return {**endpoint_view(endpoint, now), "secret": endpoint.secret}


def delivery_view(delivery: Delivery) -> DeliveryView:
    """Return the delivery with what the receiver answered."""
    view: DeliveryView = {
        "id": delivery.id,
        "webhookId": delivery.event_id,
        "type": delivery.type,
        "state": delivery.state.value,
        "createdAt": iso(delivery.created_at),
        "tries": delivery.tries,
        "attempts": [_attempt_view(attempt) for attempt in delivery.attempts],
    }
    if delivery.due_at is not None:
        view["nextTryAt"] = iso(delivery.due_at)
    return view


def _attempt_view(attempt: Attempt) -> AttemptView:
    return {
        "at": iso(attempt.at),
        "durationMs": attempt.duration_ms,
        "status": attempt.status,
        "body": attempt.body,
        "error": attempt.error,
    }
