"""Personal access tokens, for programs. With a session only: no token makes, lists or revokes one."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from serve_app.accounts.access_tokens import create_token, revoke_token
from serve_app.http.idempotency import key_of
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response, no_content
from serve_app.schemas.tokens import NewTokenView, TokenBody, TokenView, token_view
from serve_app.services import services_of

router = APIRouter(prefix="/api/tokens", tags=["tokens"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: NewTokenView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, _UNAVAILABLE),
        body=TokenBody,
        signed_in=True,
        keyed=True,
        scope=None,
    ),
)
async def create(request: Request) -> Response:
    """Make a token. Its text is in this answer only; a repeat with the same Idempotency-Key is 409."""
    services = services_of(request)
    services.sessions.require(request)
    body = TokenBody.of(await read_json(request), services.rules())
    made = await create_token(request, body, key_of(request))
    view: NewTokenView = {**token_view(made.token), "token": made.text}
    return json_response(view, HTTPStatus.CREATED)


@router.get(
    "",
    **documented({HTTPStatus.OK: list[TokenView]}, (HTTPStatus.UNAUTHORIZED, _UNAVAILABLE), signed_in=True, scope=None),
)
async def find(request: Request) -> Response:
    """List one's tokens that hold, the newest first. Their secrets are not kept."""
    services = services_of(request)
    tokens = await services.access_tokens.of_user(services.sessions.require(request).user_id)
    return json_response([token_view(token) for token in tokens])


@router.delete(
    "/{token_id}",
    **documented(
        {HTTPStatus.NO_CONTENT: None},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, _UNAVAILABLE),
        signed_in=True,
        scope=None,
    ),
)
async def revoke(request: Request, token_id: str) -> Response:
    """Revoke one of one's tokens for good, at once and everywhere."""
    services = services_of(request)
    await revoke_token(services, services.sessions.require(request).user_id, token_id)
    return no_content()
