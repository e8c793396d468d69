"""Signing up, in and out."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from actors.domain.account_events import SignedIn, SignedOut
from actors.mail.outbox import to_user
from actors.mail.templates import MailKind
from actors.storage.user_flags import email_key
from actors.storage.users import User
from serve_app.accounts.passwords import authenticate
from serve_app.http.errors import ConflictError, ForbiddenError, NotAuthorizedError, NotFoundError
from serve_app.http.idempotency import Identity
from serve_app.schemas.users import SignIn, SignUp
from serve_app.services import Services, services_of


@dataclass(frozen=True, slots=True)
class SignedUp:
    """The user of a new account. `is_new` is False when the same request opened it before."""

    user: User
    is_new: bool


async def sign_up(services: Services, address: str, body: SignUp, identity: Identity) -> SignedUp:
    """Open an account and send the mail that confirms its address.

    Raises TooManyRequestsError, and ConflictError when the address is in use.
    """
    await services.limits.signup(address)
    user = User(identity.id, body.email, await services.passwords.hash(body.password), services.clock())
    if not await services.users.add(user):
        return SignedUp(await _signed_up_before(services, address, body, identity), is_new=False)
    if await services.limits.signup_mail(email_key(user.email)):
        await services.outbox.add([to_user(MailKind.VERIFICATION, user.id, services.clock())])
    return SignedUp(user, is_new=True)


async def sign_in(services: Services, address: str, body: SignIn) -> User:
    """Return whose credentials these are. An unknown address and a wrong password differ in nothing, also not in time.

    Raises NotAuthorizedError, TooManyRequestsError, and ForbiddenError for a suspended account.
    """
    user = await services.users.by_email(body.email)
    user = await authenticate(services, address, user, body.email, body.password)
    # Only who knows the password is told.
    if user.banned_at is not None:
        raise ForbiddenError("This account is suspended.")
    return await _upgraded(services, user, body.password)


async def current_user(request: Request) -> User | None:
    """Return who is signed in, None for nobody."""
    services = services_of(request)
    session = services.sessions.current(request)
    return await services.users.by_id(session.user_id) if session else None


async def begin_session(request: Request, response: Response, user: User) -> None:
    """Sign in the user whose password was just verified, with the response. Raises NotAuthorizedError."""
    services = services_of(request)
    session = await services.sessions.begin(response, user, services.sessions.current(request))
    services.security_events.record(SignedIn(user.id, session.id))


async def sign_out(request: Request, response: Response) -> None:
    """End the session for good, and have the browser forget it; without a session nothing happens."""
    services = services_of(request)
    session = services.sessions.current(request)
    await services.sessions.sign_out(session, response)
    if session is not None:
        services.security_events.record(SignedOut(session.user_id, session.id))


async def end_session(services: Services, user_id: str, session_id: str) -> None:
    """End one session of the user for good, at once and everywhere. Raises NotFoundError."""
    if not await services.sessions.end(user_id, session_id):
        raise NotFoundError("There is no such session.")
    services.security_events.record(SignedOut(user_id, session_id))


async def _upgraded(services: Services, user: User, password: str) -> User:
    """Return the user with a hash at today's cost."""
    if not services.passwords.is_outdated(user.password_hash):
        return user
    await services.users.upgrade_password_hash(user, await services.passwords.hash(password))
    # Somebody else may have been quicker, with another password even: the session begins with what is stored.
    return await services.users.by_id(user.id) or user


async def _signed_up_before(services: Services, address: str, body: SignUp, identity: Identity) -> User:
    """Return the user that the same request made before. Raises ConflictError when it was another one.

    The password may be a guess: it counts. Raises TooManyRequestsError.
    """
    user = await services.users.by_id(identity.id) if identity.is_keyed else None
    if user is None:
        raise ConflictError("This email address is in use.", field="email")
    try:
        return await authenticate(services, address, user, user.email, body.password)
    except NotAuthorizedError:
        raise ConflictError("This was asked before with other values: use a new Idempotency-Key.") from None
