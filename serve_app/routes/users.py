"""Signing up, in and out."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from serve_app.bodies import read_json
from serve_app.errors import ConflictError, NotAuthorizedError
from serve_app.idempotency import Identity, identify
from serve_app.openapi import documented
from serve_app.queries.users import User, email_key
from serve_app.responses import json_response
from serve_app.schemas.users import CurrentUserView, SignedOutView, SignIn, SignUp, UserView, user_view
from serve_app.security.addresses import client_address
from serve_app.services import Services, services_of

router = APIRouter(prefix="/api/users", tags=["users"])


@router.post(
    "/signup",
    **documented(
        {HTTPStatus.CREATED: UserView, HTTPStatus.OK: UserView},
        (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        body=SignUp,
        keyed=True,
    ),
)
async def sign_up(request: Request) -> Response:
    """Open an account and sign in."""
    services = services_of(request)
    body = SignUp.of(await read_json(request), services.rules())
    # Nobody is signed in yet: keys are scoped to the email address, so that two people may use the same key.
    identity = identify(request, "signup", email_key(body.email), body)
    await services.limits.signup(client_address(request))
    user = User(identity.id, body.email, await services.passwords.hash(body.password), services.clock())
    status = HTTPStatus.CREATED
    if not await services.users.add(user):
        user, status = await _signed_up_before(services, identity, body), HTTPStatus.OK
    response = json_response(user_view(user), status)
    services.sessions.begin(response, user.id)
    return response


@router.post(
    "/signin",
    **documented(
        {HTTPStatus.OK: UserView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        body=SignIn,
    ),
)
async def sign_in(request: Request) -> Response:
    """Sign in. An unknown email address and a wrong password get the same answer after the same time."""
    services = services_of(request)
    body = SignIn.of(await read_json(request), services.rules())
    async with services.limits.signin(email_key(body.email), client_address(request)):
        user = await services.users.by_email(body.email)
        matches = await services.passwords.verify(body.password, user.password_hash if user else None)
        if user is None or not matches:
            raise NotAuthorizedError("The email address or the password is wrong.")
    response = json_response(user_view(user))
    services.sessions.begin(response, user.id)
    return response


@router.post(
    "/signout",
    **documented({HTTPStatus.OK: SignedOutView}, (HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)),
)
async def sign_out(request: Request) -> Response:
    """End the session for good; without a session nothing happens."""
    response = json_response({})
    await services_of(request).sessions.end(request, response)
    return response


@router.get("/currentuser", **documented({HTTPStatus.OK: CurrentUserView}, (HTTPStatus.SERVICE_UNAVAILABLE,)))
async def current_user(request: Request) -> Response:
    """Say who is signed in."""
    services = services_of(request)
    session = services.sessions.current(request)
    user = await services.users.by_id(session.user_id) if session else None
    view: CurrentUserView = {"currentUser": user_view(user) if user else None}
    return json_response(view)


async def _signed_up_before(services: Services, identity: Identity, body: SignUp) -> User:
    """Return the user that the same request made before. Raises ConflictError when it was another one."""
    user = await services.users.by_id(identity.id) if identity.is_keyed else None
    if user is None:
        raise ConflictError("This email address is in use.", field="email")
    if not await services.passwords.verify(body.password, user.password_hash):
        raise ConflictError("This was asked before with other values: use a new Idempotency-Key.")
    return user
