"""What Stripe tells us."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Request, Response
from typing_extensions import TypedDict

from serve_app.http.openapi import documented
from serve_app.http.request_body import read_raw
from serve_app.http.responses import json_response
from serve_app.services import services_of

STRIPE = "/api/webhooks/stripe"

router = APIRouter(tags=["webhooks"])


class ReceivedView(TypedDict):
    """The webhook event is kept, or was before."""

    received: Literal[True]


@router.post(
    STRIPE,
    **documented(
        {HTTPStatus.OK: ReceivedView},
        (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
        scope=None,
    ),
)
async def receive(request: Request) -> Response:
    """Take a webhook event of Stripe, signed over its very bytes. Only a 503 asks Stripe to send it again."""
    services = services_of(request)
    raw = await read_raw(request)
    await services.webhooks.accept(raw, request.headers.get("stripe-signature"), services.clock())
    return json_response({"received": True})
