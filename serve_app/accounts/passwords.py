"""Whose password it is, and what happens wherever one is guessed."""

from actors.domain.account_events import SignInFailed
from actors.storage.user_flags import email_key
from actors.storage.users import User
from serve_app.http.errors import NotAuthorizedError, RequestValidationError
from serve_app.services import Services


async def authenticate(services: Services, address: str, user: User | None, email: str, password: str) -> User:
    """Return the user if this is their password. Raises NotAuthorizedError, after as long for nobody.

    Wherever a password is guessed it counts. Raises TooManyRequestsError.
    """
    async with services.limits.signin(email_key(email), address):
        matches = await services.passwords.verify(password, user.password_hash if user else None)
        if user is None or not matches:
            services.security_events.record(SignInFailed(user.id if user else None))
            raise NotAuthorizedError("The email address or the password is wrong.")
    return user


async def prove_password(services: Services, address: str, user: User, password: str, *, field: str) -> None:
    """Make sure that the signed-in client knows the password. Raises RequestValidationError for the field."""
    try:
        await authenticate(services, address, user, user.email, password)
    except NotAuthorizedError:
        raise RequestValidationError({field: "is wrong"}) from None
