"""What a person's data looks like when they ask for it."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from serve_app.instants import iso
from serve_app.queries.sessions import SessionRecord
from serve_app.queries.users import User
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Password
from serve_app.schemas.orders import OrderView
from serve_app.schemas.tickets import OwnTicketView


class AccountClosing(Body):
    """The password once more: closing an account cannot be taken back."""

    password: Password


class ProfileView(TypedDict):
    """What is kept about the person."""

    id: str
    email: str
    createdAt: str
    emailVerifiedAt: str | None
    isAdmin: bool


class SignedInSince(TypedDict):
    """A session, as part of an export."""

    createdAt: str
    seenAt: str
    expiresAt: str


class ExportView(TypedDict):
    """Everything."""

    user: ProfileView
    sessions: list[SignedInSince]
    tickets: list[OwnTicketView]
    orders: list[OrderView]


def export_view(
    user: User, sessions: Sequence[SessionRecord], tickets: list[OwnTicketView], orders: list[OrderView]
) -> ExportView:
    """Return the whole export."""
    return {
        "user": {
            "id": user.id,
            "email": user.email,
            "createdAt": iso(user.created_at),
            "emailVerifiedAt": None if user.verified_at is None else iso(user.verified_at),
            "isAdmin": user.is_admin,
        },
        "sessions": [
            {"createdAt": iso(one.created_at), "seenAt": iso(one.seen_at), "expiresAt": iso(one.ends_at)}
            for one in sessions
        ],
        "tickets": tickets,
        "orders": orders,
    }
