"""What the buyer does in the dialog of their bank: 3-D Secure (https://docs.stripe.com/payments/3d-secure)."""

import hmac
from dataclasses import replace

from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.operations import charged
from actors.stripe.sandbox.payment_intent import PaymentIntent

NOT_AUTHENTICATED = Failure(
    400,
    "invalid_request_error",
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
    "to attempt to fulfill this PaymentIntent again.",
    "payment_intent_authentication_failure",
)


class NothingToAuthenticateError(Exception):
    """No intent with this client secret waits for its buyer."""


def intent_id_of(client_secret: str) -> str:
    """The intent that a client secret belongs to, if it is one."""
    return client_secret.partition("_secret_")[0]


def authenticated(
    intent: PaymentIntent | None, client_secret: str, ids: IdFactory, settled_at: float, *, succeeds: bool
) -> PaymentIntent:
    """The intent after its buyer proved who they are, or did not. Raises NothingToAuthenticateError."""
    if intent is None or not hmac.compare_digest(intent.client_secret.encode(), client_secret.encode()):
        raise NothingToAuthenticateError
    if intent.status != "requires_action":
        raise NothingToAuthenticateError
    if succeeds:
        return charged(intent, ids, settled_at)
    return replace(
        intent,
        status="requires_payment_method",
        payment_method=None,
        card=None,
        last_payment_error=NOT_AUTHENTICATED,
    )
