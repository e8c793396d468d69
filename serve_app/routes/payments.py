"""Paying for an order."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.charge_values import ChargeStatus
from serve_app.buying import payments
from serve_app.buying.payments import admit_payer
from serve_app.http.idempotency import identify, key_of
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response
from serve_app.schemas.payments import (
    PaymentBody,
    PaymentView,
    PendingPaymentView,
    payment_view,
    pending_payment_view,
)
from serve_app.services import services_of

router = APIRouter(prefix="/api/payments", tags=["payments"])


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
        scope="buy",
        keyed=True,
    ),
)
async def pay(request: Request) -> Response:
    """Pay an order. 201 when the money is taken; 202 when it is not decided: confirm with the bank, or look again.

    200 is the payment that was made already, whatever card is named now. Another card while the bank asks about the
    first takes its place; while an answer is on its way it is 409 for `paymentMethod`.
    """
    services = services_of(request)
    payer = await admit_payer(request)
    body = PaymentBody.of(await read_json(request), services.rules())
    answer = await payments.pay(services, payer, body, identify(key_of(request), "payments", payer.user_id, body))
    if answer.charge.status is ChargeStatus.COMPLETED:
        return json_response(payment_view(answer.charge), HTTPStatus.CREATED if answer.fresh else HTTPStatus.OK)
    return json_response(pending_payment_view(answer), HTTPStatus.ACCEPTED)
