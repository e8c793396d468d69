"""Paying for an order."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.messages import (
    CancelReason,
    ChargeStatus,
    Order,
    OrderOver,
    Pay,
    PaymentAnswer,
    Refusal,
    UnknownPaymentMethod,
)
from serve_app.bodies import read_json
from serve_app.errors import ConflictError, CustomError, PaymentDeclinedError
from serve_app.idempotency import identify
from serve_app.openapi import documented
from serve_app.ownership import own_order
from serve_app.refusals import error_of
from serve_app.responses import json_response
from serve_app.schemas.payments import (
    PaymentBody,
    PaymentView,
    PendingPaymentView,
    payment_view,
    pending_payment_view,
)
from serve_app.services import Services, services_of

router = APIRouter(prefix="/api/payments", tags=["payments"])

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


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: PaymentView, HTTPStatus.ACCEPTED: PendingPaymentView, HTTPStatus.OK: PaymentView},
        (
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.PAYMENT_REQUIRED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
        body=PaymentBody,
        signed_in=True,
        keyed=True,
    ),
)
async def pay(request: Request) -> Response:
    """Pay an order. 201 when the money is taken; 202 when it is not decided: confirm with the bank, or look again.

    200 is the payment that was made already, whatever card is named now. Another card while the bank asks about the
    first takes its place; while an answer is on its way it is 409 for `paymentMethod`.
    """
    services = services_of(request)
    buyer_id = services.sessions.require(request).user_id
    address = services.address_of(request)
    await services.limits.pay(buyer_id, address)
    body = PaymentBody.of(await read_json(request), services.rules())
    identity = identify(request, "payments", buyer_id, body)
    order = await own_order(services, body.order_id, buyer_id)
    # The request is named by its key: the same key with another payment method is refused.
    answer = await services.market.pay(Pay(order.id, body.source, identity.id if identity.is_keyed else None))
    refused = max(int(_is_refused(answer)), await _ended_attempts(services, order, answer, buyer_id))
    if refused:
        await services.limits.payment_refused(buyer_id, address, refused)
    if isinstance(answer, OrderOver):
        raise await _ended(services, order.id, buyer_id)
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return await _paid(services, answer, buyer_id)


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


async def _paid(services: Services, answer: PaymentAnswer, buyer_id: str) -> Response:
    charge = answer.charge
    match charge.status:
        case ChargeStatus.COMPLETED:
            return json_response(payment_view(charge), HTTPStatus.CREATED if answer.fresh else HTTPStatus.OK)
        case ChargeStatus.FAILED:
            raise _declined(answer)
        case ChargeStatus.VOIDED | ChargeStatus.REFUNDED:
            raise await _ended(services, charge.order_id, buyer_id)
    return json_response(pending_payment_view(answer), HTTPStatus.ACCEPTED)


def _declined(answer: PaymentAnswer) -> CustomError:
    reason = _REASONS.get(answer.charge.failure or "", "The payment was declined.")
    if answer.order.is_open:
        return PaymentDeclinedError(f"{reason} You still hold the ticket and can try again.")
    return PaymentDeclinedError(f"{reason} The order is cancelled and its ticket for sale again.")


async def _ended(services: Services, order_id: str, buyer_id: str) -> CustomError:
    """Return the error that says how the order ended. Its document says it as soon as its end is applied."""
    order = await own_order(services, order_id, buyer_id)
    return ConflictError(_ENDINGS.get(order.cancel_reason or CancelReason.EXPIRED, "This order was cancelled."))
