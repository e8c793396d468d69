"""Users as clients send and see them."""

from typing_extensions import TypedDict

from serve_app.queries.users import User
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Email, NewPassword, Password


class SignUp(Body):
    """A new account."""

    email: Email
    password: NewPassword


class SignIn(Body):
    """Credentials; how long a password must be is not asked here, so that older ones keep working."""

    email: Email
    password: Password


class UserView(TypedDict):
    """A user as they see themselves."""

    id: str
    email: str


class CurrentUserView(TypedDict):
    """Who is signed in, or null."""

    currentUser: UserView | None


class SignedOutView(TypedDict):
    """The empty answer of a sign-out."""


def user_view(user: User) -> UserView:
    """Return what the user sees of themselves."""
    return {"id": user.id, "email": user.email}
