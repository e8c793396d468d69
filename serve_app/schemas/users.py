"""Users and sessions as clients send and see them."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from actors.storage.sessions import SessionRecord
from actors.storage.users import User
from serve_app.accounts.password_rules import weakness_of
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Email, KnownEmail, NewPassword, Password, Token


class SignUp(Body):
    """A new account."""

    email: Email
    password: NewPassword

    @model_validator(mode="after")
    def _refuse_what_is_easily_guessed(self) -> Self:
        weakness = weakness_of(self.password, self.email)
        if weakness is not None:
            raise PydanticCustomError("rule", weakness, {"field": "password"})
        return self


class SignIn(Body):
    """Credentials; how long a password must be is not asked here, so that older ones keep working."""

    email: KnownEmail
    password: Password


class PasswordChange(Body):
    """Another password for the account that is signed in."""

    current_password: Password = Field(alias="currentPassword")
    new_password: NewPassword = Field(alias="newPassword")


class EmailTokenBody(Body):
    """The token of a mail."""

    token: Token


class ResetRequest(Body):
    """Who wants another password."""

    email: KnownEmail


class PasswordReset(Body):
    """Another password, with the token of the mail."""

    token: Token
    password: NewPassword


class UserView(TypedDict):
    """A user as they see themselves."""

    id: str
    email: str


class CurrentUserView(TypedDict):
    """Who is signed in, or null."""

    currentUser: UserView | None


class EmptyView(TypedDict):
    """An answer that says nothing more than that it was done."""


class SessionView(TypedDict):
    """One of one's sessions. `seenAt` lags by up to half the life of a token."""

    id: str
    createdAt: str
    seenAt: str
    expiresAt: str
    current: bool


def user_view(user: User) -> UserView:
    """Return what the user sees of themselves."""
    return {"id": user.id, "email": user.email}


def session_view(record: SessionRecord, current_id: str) -> SessionView:
    """Return the session for its user. Its id opens nothing: only a signed token does."""
    return {
        "id": record.id,
        "createdAt": iso(record.created_at),
        "seenAt": iso(record.seen_at),
        "expiresAt": iso(record.ends_at),
        "current": record.id == current_id,
    }
