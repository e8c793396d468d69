"""What a buyer does in their bank's dialog, for the sandbox. With a real Stripe key these routes do not exist."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from serve_app.buying.payments import answer_bank_dialog, sandbox_of
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response
from serve_app.schemas.body import Body
from serve_app.services import services_of

router = APIRouter(prefix="/api/sandbox", tags=["sandbox"])
_LONGEST_SECRET = 255


def _secret(text: str) -> str:
    if not 1 <= len(text) <= _LONGEST_SECRET:
        raise ValueError("must be the clientSecret of a payment")
    return text


class Authentication(Body):
    """What the buyer answers their bank."""

    client_secret: Annotated[str, AfterValidator(_secret)] = Field(alias="clientSecret")
    outcome: Literal["succeeds", "fails"]


class AuthenticatedView(TypedDict):
    """The empty answer of an authentication."""


@router.post(
    "/authentications",
    **documented(
        {HTTPStatus.OK: AuthenticatedView},
        (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
        body=Authentication,
        scope=None,
    ),
)
async def authenticate(request: Request) -> Response:
    """Answer the bank's question about a payment that wants 3-D Secure, as Stripe's own dialog does."""
    services = services_of(request)
    sandbox = sandbox_of(services)
    body = Authentication.of(await read_json(request), services.rules())
    await answer_bank_dialog(sandbox, body.client_secret, succeeds=body.outcome == "succeeds")
    return json_response({})
