"""The parts of Stripe's objects that Holdfast uses."""

from dataclasses import dataclass, field

import stripe


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent. Amounts are in minor units (cents); `error_code` and `decline_code` are of the last decline.

    `status` is Stripe's: requires_payment_method, requires_confirmation, requires_action, processing,
    requires_capture, succeeded or canceled (https://docs.stripe.com/payments/paymentintents/lifecycle).
    """

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    latest_charge: str | None = None
    error_code: str | None = None
    decline_code: str | None = None
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund of an intent. The amount is in minor units; `status` is pending, succeeded, failed or canceled."""

    id: str
    status: str | None
    amount: int
    currency: str


def intent_of(answer: stripe.PaymentIntent) -> Intent:
    """Our intent for the SDK's."""
    last_error = answer.last_payment_error
    return Intent(
        id=answer.id,
        status=answer.status,
        amount=answer.amount,
        amount_received=answer.amount_received,
        currency=answer.currency,
        latest_charge=_id_of(answer.latest_charge),
        error_code=last_error.code if last_error else None,
        decline_code=last_error.decline_code if last_error else None,
        client_secret=answer.client_secret,
    )


def refund_of(answer: stripe.Refund) -> Refund:
    """Our refund for the SDK's."""
    return Refund(id=answer.id, status=answer.status, amount=answer.amount, currency=answer.currency)


def _id_of(reference: str | stripe.Charge | None) -> str | None:
    return reference.id if isinstance(reference, stripe.Charge) else reference
