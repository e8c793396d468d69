"""Personal access tokens as their user sends and sees them."""

from pydantic import Field
from typing_extensions import TypedDict

from actors.storage.access_tokens import AccessScope, AccessToken
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import ExpiryDays, Scopes, TokenName


class TokenBody(Body):
    """A new token: what it is for, what it may do, and for how long."""

    name: TokenName
    scopes: Scopes
    expires_in_days: ExpiryDays = Field(default=90, alias="expiresInDays")


class TokenView(TypedDict):
    """A token without its secret. `lastUsedAt` is the beginning of the hour of its last use."""

    id: str
    name: str
    scopes: list[AccessScope]
    createdAt: str
    expiresAt: str
    lastUsedAt: str | None


class NewTokenView(TokenView):
    """A token that was just made, with its text, which is shown this once."""

    token: str


def token_view(token: AccessToken) -> TokenView:
    """Return the token for its user. Its id opens nothing."""
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "createdAt": iso(token.created_at),
        "expiresAt": iso(token.expires_at),
        "lastUsedAt": None if token.used_at is None else iso(token.used_at),
    }
