"""Making and revoking personal access tokens, as their user who is signed in."""

from dataclasses import dataclass

from starlette.requests import Request

from actors.domain.account_events import TokenCreated, TokenRevoked
from actors.storage.access_tokens import AccessToken
from serve_app.accounts.bearer_tokens import MOST_TOKENS, make_token
from serve_app.http.errors import ConflictError, ForbiddenError, NotAuthorizedError, NotFoundError
from serve_app.http.idempotency import identify
from serve_app.schemas.tokens import TokenBody
from serve_app.services import Services, services_of


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A new token with its text, which is shown once."""

    token: AccessToken
    text: str


async def create_token(request: Request, body: TokenBody, key: str | None) -> MadeToken:
    """Make a token for the user who is signed in.

    Raises NotAuthorizedError, ForbiddenError for an administrator, and ConflictError beyond 20 tokens, or when the same
    request made one before: its text is not kept, and cannot be shown again.
    """
    services = services_of(request)
    user = await services.signed_in_user(request)
    if user.is_admin:
        raise ForbiddenError("An administrator has no access tokens. Use another account for programs.")
    token_id = identify(key, "tokens", user.id, body).id
    token, text = make_token(token_id, user.id, body, services.clock())
    if not await services.access_tokens.add(token):
        raise ConflictError("This token was made before, and its text was shown once. Revoke it and make another.")
    # A reset, a ban and a closing end all sessions first, then all tokens. They find this one, or it finds them.
    if not await services.sessions.exists(services.sessions.require(request)):
        await services.access_tokens.revoke(user.id, token.id)
        raise NotAuthorizedError
    if len(await services.access_tokens.of_user(user.id)) > MOST_TOKENS:
        await services.access_tokens.revoke(user.id, token.id)
        raise ConflictError(f"You have {MOST_TOKENS} access tokens already: revoke one first.")
    services.security_events.record(TokenCreated(user.id, token.id))
    return MadeToken(token, text)


async def revoke_token(services: Services, user_id: str, token_id: str) -> None:
    """Revoke one token of the user for good, at once and everywhere. Raises NotFoundError."""
    if not await services.access_tokens.revoke(user_id, token_id):
        raise NotFoundError("There is no such access token.")
    services.security_events.record(TokenRevoked(user_id, token_id))
