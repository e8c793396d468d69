"""Signing up, in and out, and changing the password."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.accounts import PasswordChanged, SignedIn, SignedOut, SignInFailed
from actors.mail.letters import Kind
from actors.mail.outbox import to_user
from actors.storage.users import email_key
from serve_app.bodies import read_json
from serve_app.errors import ConflictError, ForbiddenError, NotAuthorizedError, RequestValidationError
from serve_app.idempotency import Identity, identify
from serve_app.openapi import documented
from serve_app.queries.users import User
from serve_app.responses import json_response
from serve_app.schemas.users import (
    CurrentUserView,
    EmptyView,
    PasswordChange,
    SignIn,
    SignUp,
    UserView,
    user_view,
)
from serve_app.security.password_rules import weakness_of
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
    await services.limits.signup(services.address_of(request))
    user = User(identity.id, body.email, await services.passwords.hash(body.password), services.clock())
    status = HTTPStatus.CREATED
    if not await services.users.add(user):
        user, status = await _signed_up_before(request, identity, body), HTTPStatus.OK
    elif await services.limits.signup_mail(email_key(user.email)):
        await services.outbox.add([to_user(Kind.VERIFICATION, user.id, services.clock())])
    return await _signed_in(request, user, status)


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
    user = await services.users.by_email(body.email)
    user = await _authenticated(request, user, body.email, body.password)
    # Only who knows the password is told.
    if user.banned_at is not None:
        raise ForbiddenError("This account is suspended.")
    return await _signed_in(request, await _upgraded(services, user, body.password))


@router.post(
    "/signout",
    **documented({HTTPStatus.OK: EmptyView}, (HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)),
)
async def sign_out(request: Request) -> Response:
    """End the session for good; without a session nothing happens."""
    services = services_of(request)
    session = services.sessions.current(request)
    response = json_response({})
    await services.sessions.sign_out(session, response)
    if session is not None:
        services.security_events.note(SignedOut(session.user_id, session.id))
    return response


@router.get("/currentuser", **documented({HTTPStatus.OK: CurrentUserView}, (HTTPStatus.SERVICE_UNAVAILABLE,)))
async def current_user(request: Request) -> Response:
    """Say who is signed in."""
    services = services_of(request)
    session = services.sessions.current(request)
    user = await services.users.by_id(session.user_id) if session else None
    view: CurrentUserView = {"currentUser": user_view(user) if user else None}
    return json_response(view)


@router.post(
    "/password",
    **documented(
        {HTTPStatus.OK: UserView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        body=PasswordChange,
        signed_in=True,
    ),
)
async def change_password(request: Request) -> Response:
    """Change the password and end all sessions; who asks gets a new one. A wrong current password is a bad field."""
    services = services_of(request)
    user = await services.signed_in_user(request)
    body = PasswordChange.of(await read_json(request), services.rules())
    weakness = weakness_of(body.new_password, user.email)
    if weakness is not None:
        raise RequestValidationError({"newPassword": weakness})
    await prove_password(request, user, body.current_password, field="currentPassword")
    password_hash = await services.passwords.hash(body.new_password)
    if not await services.users.change_password(user, password_hash, services.clock()):
        raise RequestValidationError({"currentPassword": "is wrong"})  # since a moment ago
    await services.sessions.end_all(user.id)
    services.security_events.note(PasswordChanged(user.id))
    await services.outbox.add([to_user(Kind.PASSWORD_CHANGED, user.id, services.clock())])
    changed = await services.users.by_id(user.id)
    if changed is None:
        raise NotAuthorizedError
    return await _signed_in(request, changed)


async def prove_password(request: Request, user: User, password: str, *, field: str) -> None:
    """Make sure that the signed-in client knows the password. Raises RequestValidationError for the field."""
    try:
        await _authenticated(request, user, user.email, password)
    except NotAuthorizedError:
        raise RequestValidationError({field: "is wrong"}) from None


async def _signed_in(request: Request, user: User, status: HTTPStatus = HTTPStatus.OK) -> Response:
    services = services_of(request)
    response = json_response(user_view(user), status)
    session = await services.sessions.begin(response, user, services.sessions.current(request))
    services.security_events.note(SignedIn(user.id, session.id))
    return response


async def _authenticated(request: Request, user: User | None, email: str, password: str) -> User:
    """Return the user if this is their password. Raises NotAuthorizedError, after as long for nobody.

    Wherever a password is guessed it counts. Raises TooManyRequestsError.
    """
    services = services_of(request)
    async with services.limits.signin(email_key(email), services.address_of(request)):
        matches = await services.passwords.verify(password, user.password_hash if user else None)
        if user is None or not matches:
            services.security_events.note(SignInFailed(user.id if user else None))
            raise NotAuthorizedError("The email address or the password is wrong.")
    return user


async def _upgraded(services: Services, user: User, password: str) -> User:
    """Return the user with a hash at today's cost."""
    if not services.passwords.is_outdated(user.password_hash):
        return user
    await services.users.upgrade_password_hash(user, await services.passwords.hash(password))
    # Somebody else may have been quicker, with another password even: the session begins with what is stored.
    return await services.users.by_id(user.id) or user


async def _signed_up_before(request: Request, identity: Identity, body: SignUp) -> User:
    """Return the user that the same request made before. Raises ConflictError when it was another one.

    The password may be a guess: it counts. Raises TooManyRequestsError.
    """
    user = await services_of(request).users.by_id(identity.id) if identity.is_keyed else None
    if user is None:
        raise ConflictError("This email address is in use.", field="email")
    try:
        return await _authenticated(request, user, user.email, body.password)
    except NotAuthorizedError:
        raise ConflictError("This was asked before with other values: use a new Idempotency-Key.") from None
