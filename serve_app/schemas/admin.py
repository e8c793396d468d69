"""An account as administrators see it."""

from typing_extensions import TypedDict

from serve_app.instants import iso
from serve_app.queries.users import User


class AccountView(TypedDict):
    """An account."""

    id: str
    email: str
    createdAt: str
    emailVerified: bool
    isAdmin: bool
    bannedAt: str | None


def account_view(user: User) -> AccountView:
    """Return what an administrator sees of the account."""
    return {
        "id": user.id,
        "email": user.email,
        "createdAt": iso(user.created_at),
        "emailVerified": user.verified_at is not None,
        "isAdmin": user.is_admin,
        "bannedAt": None if user.banned_at is None else iso(user.banned_at),
    }
