"""What a person's data looks like when they ask for it."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from actors.mail.outbox import Mail
from actors.storage.security_events import SecurityRecord
from actors.storage.sessions import SessionRecord
from actors.storage.users import User
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Password
from serve_app.schemas.orders import OrderView
from serve_app.schemas.payments import ChargeView
from serve_app.schemas.reports import ReportView
from serve_app.schemas.tickets import OwnTicketView
from serve_app.schemas.tokens import TokenView
from serve_app.schemas.webhook_endpoints import EndpointView


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


class SecurityEventView(TypedDict):
    """Something that was done with the person's access, with the ids that belong to it."""

    type: str
    at: str
    data: dict[str, Any]


class MailView(TypedDict):
    """A mail to the person: its kind, when it was asked for, and the order that it is about."""

    kind: str
    at: str
    orderId: NotRequired[str]


class ExportView(TypedDict):
    """Everything that is kept. `securityEvents` are those of 90 days, `mails` of 30, `favourites` ids of tickets."""

    user: ProfileView
    sessions: list[SignedInSince]
    tokens: list[TokenView]
    tickets: list[OwnTicketView]
    orders: list[OrderView]
    payments: list[ChargeView]
    securityEvents: list[SecurityEventView]
    mails: list[MailView]
    reports: list[ReportView]
    favourites: list[str]
    webhookEndpoints: list[EndpointView]


def profile_view(user: User) -> ProfileView:
    """Return what is kept of the account, the password's hash excepted."""
    return {
        "id": user.id,
        "email": user.email,
        "createdAt": iso(user.created_at),
        "emailVerifiedAt": None if user.verified_at is None else iso(user.verified_at),
        "isAdmin": user.is_admin,
    }


def signed_in_since(session: SessionRecord) -> SignedInSince:
    """Return the session without its id."""
    return {"createdAt": iso(session.created_at), "seenAt": iso(session.seen_at), "expiresAt": iso(session.ends_at)}


def security_event_view(record: SecurityRecord) -> SecurityEventView:
    """Return the event as it is kept."""
    return {"type": record.type, "at": iso(record.at), "data": record.data}


def mail_view(mail: Mail) -> MailView:
    """Return what is kept of the mail: its text is made when it is sent."""
    view: MailView = {"kind": mail.kind.value, "at": iso(mail.at)}
    if mail.order_id is not None:
        view["orderId"] = mail.order_id
    return view
