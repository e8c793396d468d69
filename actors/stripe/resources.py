"""The parts of Stripe's objects that Holdfast uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import stripe


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent. Amounts are in minor units (cents); `error_code` and `decline_code` are of the last decline.

    `status` is Stripe's: requires_payment_method, requires_confirmation, requires_action, processing,
    requires_capture, succeeded or canceled (https://docs.stripe.com/payments/paymentintents/lifecycle).
    `created` is in seconds since 1970. `request_id` is the number of the answer, by which Stripe's dashboard shows it.
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
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: int = 0
    request_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund of an intent. The amount is in minor units; `status` is pending, succeeded, failed or canceled.

    A refund that has succeeded may still fail later, and its money is then ours again (https://docs.stripe.com/refunds).
    """

    id: str
    status: str | None
    amount: int
    currency: str
    intent_id: str | None = None
    failure_reason: str | None = None
    request_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A buyer's bank asks for the money back. The amount is in minor units.

    `status` is Stripe's, from needs_response to won or lost
    (https://docs.stripe.com/api/disputes/object#dispute_object-status).
    """

    id: str
    intent_id: str | None
    amount: int
    currency: str
    status: str


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
        # Stripe leaves out what does not apply to an error, and the SDK then has no such attribute.
        error_code=getattr(last_error, "code", None),
        decline_code=getattr(last_error, "decline_code", None),
        client_secret=answer.client_secret,
        metadata=answer.metadata.to_dict(),
        created=answer.created,
        request_id=_request_of(answer),
    )


def refund_of(answer: stripe.Refund) -> Refund:
    """Our refund for the SDK's."""
    return Refund(
        id=answer.id,
        status=answer.status,
        amount=answer.amount,
        currency=answer.currency,
        intent_id=_id_of(answer.payment_intent),
        # Stripe leaves the field out of refunds that have not failed.
        failure_reason=getattr(answer, "failure_reason", None),
        request_id=_request_of(answer),
    )


def dispute_of(answer: stripe.Dispute) -> Dispute:
    """Our dispute for the SDK's."""
    return Dispute(
        id=answer.id,
        intent_id=_id_of(answer.payment_intent),
        amount=answer.amount,
        currency=answer.currency,
        status=answer.status,
    )


def _id_of(reference: str | stripe.Charge | stripe.PaymentIntent | None) -> str | None:
    return reference if reference is None or isinstance(reference, str) else reference.id


def _request_of(answer: stripe.StripeObject) -> str | None:
    """Return Stripe's number of the answer; parts of an answer, such as the entries of a list, have none."""
    return answer.last_response.request_id if answer.last_response is not None else None
