"""Paying for an order: which cards count as tried, and what a buyer is told of how it went."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import OrderClosed, Refusal, UnknownPaymentMethod
from actors.domain.ticket_values import CancelReason, Order
from actors.stripe.sandbox import NothingToAuthenticateError, Sandbox
from serve_app.buying.permissions import own_order, visible_order
from serve_app.http.errors import ConflictError, CustomError, NotFoundError, PaymentDeclinedError
from serve_app.http.idempotency import Identity
from serve_app.http.refusal_errors import error_of
from serve_app.schemas.payments import PaymentBody
from serve_app.services import Services, services_of

_ENDINGS = {
    CancelReason.BUYER: "You cancelled this order.",
    CancelReason.EXPIRED: "The time to pay this order is over; its ticket is for sale again.",
    CancelReason.DECLINED: "The payment was declined and the order cancelled; its ticket is for sale again.",
    CancelReason.REFUNDED: "This order was cancelled and its payment refunded.",
    CancelReason.CAPTURE_FAILED: "The payment could not be collected and the order was cancelled.",
    CancelReason.WITHDRAWN: "This order was cancelled because the ticket was withdrawn.",
}

# What a buyer can do something about. Of the other reasons nothing is said, as Stripe advises for stolen cards and
# fraud (https://docs.stripe.com/declines/codes).
_REASONS = {
    "expired_card": "The payment was declined: the card has expired.",
    "incorrect_cvc": "The payment was declined: the security code of the card is wrong.",
    "insufficient_funds": "The payment was declined: the card has insufficient funds.",
    "payment_intent_authentication_failure": "The payment was declined: the card's bank was not told who you are.",
    "processing_error": "The payment was declined: the card could not be processed just now.",
    "rejected": "Stripe does not take this card for this payment: enter it again, or use another one.",
}


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays, and from where."""

    user_id: str
    address: str


async def admit_payer(request: Request) -> Payer:
    """Return who pays, and count it. Raises NotAuthorizedError and TooManyRequestsError."""
    services = services_of(request)
    payer = Payer(services.sessions.require(request).user_id, services.address_of(request))
    await services.limits.pay(payer.user_id, payer.address)
    return payer


async def pay(services: Services, payer: Payer, body: PaymentBody, identity: Identity) -> PaymentAnswer:
    """Pay an order. The charge is completed, or its outcome is not known yet: then the bank may ask the buyer.

    Raises NotFoundError, ForbiddenError, PaymentDeclinedError, RequestValidationError for an unknown payment method,
    TooManyRequestsError, and ConflictError: the order is over, or another card is being charged.
    """
    order = await own_order(services, body.order_id, payer.user_id)
    # The request is named by its key: the same key with another payment method is refused.
    answer = await services.market.pay(Pay(order.id, body.source, identity.id if identity.is_keyed else None))
    refused = max(int(_is_refused(answer)), await _ended_attempts(services, order, answer, payer.user_id))
    if refused:
        await services.limits.payment_refused(payer.user_id, payer.address, refused)
    if isinstance(answer, OrderClosed):
        raise await _ended(services, order.id, payer.user_id)
    if isinstance(answer, Refusal):
        raise error_of(answer)
    match answer.charge.status:
        case ChargeStatus.FAILED:
            raise _declined(answer)
        case ChargeStatus.VOIDED | ChargeStatus.REFUNDED:
            raise await _ended(services, answer.charge.order_id, payer.user_id)
    return answer


async def charges_of(services: Services, user_id: str, order_id: str) -> Sequence[Charge]:
    """Return every attempt to pay the order, in order, to its buyer and to administrators.

    Raises NotFoundError and ForbiddenError.
    """
    order = await visible_order(services, order_id, user_id)
    return await services.queries.charges.charges_of(order.id)


def sandbox_of(services: Services) -> Sandbox:
    """Return the sandbox that plays the bank. Raises NotFoundError where real money is paid."""
    if services.sandbox is None:
        raise NotFoundError
    return services.sandbox


async def answer_bank_dialog(sandbox: Sandbox, client_secret: str, *, succeeds: bool) -> None:
    """Answer the bank's question about a payment that wants 3-D Secure, as its buyer does in Stripe's own dialog.

    Raises ConflictError when no payment with this secret waits for its buyer.
    """
    try:
        await sandbox.authenticate(client_secret, succeeds=succeeds)
    except NothingToAuthenticateError:
        raise ConflictError("No payment with this clientSecret waits for its buyer.") from None


def _is_refused(answer: PaymentAnswer | Refusal) -> bool:
    """Whether somebody who tries cards would have learnt of one that does not work."""
    if isinstance(answer, PaymentAnswer):
        return answer.charge.status is ChargeStatus.FAILED
    return isinstance(answer, UnknownPaymentMethod)


async def _ended_attempts(services: Services, before: Order, answer: PaymentAnswer | Refusal, buyer_id: str) -> int:
    """How many cards this request found refused: also one that another took the place of, which no bank agreed to."""
    if isinstance(answer, PaymentAnswer) and not _is_refused(answer):
        return max(answer.charge.attempt - before.attempt, 0)
    after = await own_order(services, before.id, buyer_id)
    is_declined = before.is_open and after.cancel_reason is CancelReason.DECLINED
    return max(after.attempt - before.attempt, 0) + is_declined


def _declined(answer: PaymentAnswer) -> CustomError:
    reason = _REASONS.get(answer.charge.failure or "", "The payment was declined.")
    if answer.order.is_open:
        return PaymentDeclinedError(f"{reason} You still hold the ticket and can try again.")
    return PaymentDeclinedError(f"{reason} The order is cancelled and its ticket for sale again.")


async def _ended(services: Services, order_id: str, buyer_id: str) -> CustomError:
    """Return the error that says how the order ended. Its document says it as soon as its end is applied."""
    order = await own_order(services, order_id, buyer_id)
    return ConflictError(_ENDINGS.get(order.cancel_reason or CancelReason.EXPIRED, "This order was cancelled."))
