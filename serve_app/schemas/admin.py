"""Accounts, and refunds that failed, as administrators see them."""

from typing import Literal, TypeAlias

from typing_extensions import TypedDict

from actors.domain.money import to_major_units
from actors.storage.failed_refunds import FailedRefund
from actors.storage.users import User
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body

TakedownReason: TypeAlias = Literal["fraud", "forbidden", "misleading", "duplicate", "request", "other"]


class Takedown(Body):
    """Why an administrator takes a ticket down."""

    reason: TakedownReason


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


class FailedRefundView(TypedDict):
    """What a buyer is to be paid by hand: `stripeId` is the payment in Stripe's dashboard, `failure` its reason."""

    orderId: str
    ticketId: str
    userId: str
    sellerId: str
    amount: float
    currency: str
    stripeId: str | None
    failure: str | None
    failedAt: str


def failed_refund_view(failed: FailedRefund) -> FailedRefundView:
    """Return what an administrator sees of the refund that failed."""
    order, charge = failed.order, failed.charge
    return {
        "orderId": order.id,
        "ticketId": order.ticket_id,
        "userId": order.buyer_id,
        "sellerId": order.seller_id,
        "amount": to_major_units(charge.amount),
        "currency": charge.currency,
        "stripeId": charge.stripe_id,
        "failure": charge.failure,
        "failedAt": iso(charge.updated_at),
    }
