"""Signing up, in and out, and changing the password."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.storage.user_flags import email_key
from actors.storage.users import User
from serve_app.accounts import account, sessions
from serve_app.accounts.sessions import begin_session
from serve_app.http.idempotency import identify, key_of
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response
from serve_app.schemas.users import (
    CurrentUserView,
    EmptyView,
    PasswordChange,
    SignIn,
    SignUp,
    UserView,
    user_view,
)
from serve_app.services import services_of

router = APIRouter(prefix="/api/users", tags=["users"])


@router.post(
    "/signup",
    **documented(
        {HTTPStatus.CREATED: UserView, HTTPStatus.OK: UserView},
        (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        body=SignUp,
        keyed=True,
        scope=None,
    ),
)
async def sign_up(request: Request) -> Response:
    """Open an account and sign in."""
    services = services_of(request)
    body = SignUp.of(await read_json(request), services.rules())
    # Nobody is signed in yet: keys are scoped to the email address, so that two people may use the same key.
    identity = identify(key_of(request), "signup", email_key(body.email), body)
    signed_up = await sessions.sign_up(services, services.address_of(request), body, identity)
    return await _signed_in(request, signed_up.user, HTTPStatus.CREATED if signed_up.is_new else HTTPStatus.OK)


@router.post(
    "/signin",
    **documented(
        {HTTPStatus.OK: UserView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        body=SignIn,
        scope=None,
    ),
)
async def sign_in(request: Request) -> Response:
    """Sign in. An unknown email address and a wrong password get the same answer after the same time."""
    services = services_of(request)
    body = SignIn.of(await read_json(request), services.rules())
    return await _signed_in(request, await sessions.sign_in(services, services.address_of(request), body))


@router.post(
    "/signout",
    **documented({HTTPStatus.OK: EmptyView}, (HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE), scope=None),
)
async def sign_out(request: Request) -> Response:
    """End the session for good; without a session nothing happens."""
    response = json_response({})
    await sessions.sign_out(request, response)
    return response


@router.get(
    "/currentuser", **documented({HTTPStatus.OK: CurrentUserView}, (HTTPStatus.SERVICE_UNAVAILABLE,), scope="read")
)
async def current_user(request: Request) -> Response:
    """Say who is signed in."""
    user = await sessions.current_user(request)
    view: CurrentUserView = {"currentUser": user_view(user) if user else None}
    return json_response(view)


@router.post(
    "/password",
    **documented(
        {HTTPStatus.OK: UserView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        body=PasswordChange,
        signed_in=True,
        scope=None,
    ),
)
async def change_password(request: Request) -> Response:
    """Change the password and end all sessions; who asks gets a new one. A wrong current password is a bad field."""
    services = services_of(request)
    user = await services.signed_in_user(request)
    body = PasswordChange.of(await read_json(request), services.rules())
    return await _signed_in(request, await account.change_password(services, services.address_of(request), user, body))


async def _signed_in(request: Request, user: User, status: HTTPStatus = HTTPStatus.OK) -> Response:
    response = json_response(user_view(user), status)
    await begin_session(request, response, user)
    return response
