"""Payments as clients send and see them."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NotRequired, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from actors.domain.messages import Charge, ChargeStatus, PaymentAnswer
from actors.domain.money import major
from serve_app.instants import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Id

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
_NO_CARDS = "does not belong here: card details go to Stripe only. Send the paymentMethod that its form gave you"


def _name(text: str | None) -> str | None:
    if text is not None and _NAME.fullmatch(text) is None:
        raise ValueError("must be the id that Stripe's form gave you, such as pm_card_visa")
    return text


StripeName = Annotated[str | None, AfterValidator(_name)]


class PaymentBody(Body):
    """The order to pay, and with what: a payment method or a token made by Stripe's form, never a card."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("card", "number", "cardNumber", "card_number", "pan", "cvc", "cvv", "expMonth", "expYear", "exp_month"),
        _NO_CARDS,
    )

    order_id: Id = Field(alias="orderId")
    payment_method: StripeName = Field(default=None, alias="paymentMethod")
    token: StripeName = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if self.payment_method and self.token:
            raise PydanticCustomError("rule", "must not come together with paymentMethod", {"field": "token"})
        if not self.payment_method and not self.token:
            raise PydanticCustomError("rule", "is required", {"field": "paymentMethod"})
        return self

    @property
    def source(self) -> str:
        """The payment method or the token, whichever was sent."""
        return self.payment_method or self.token or ""


class PaymentView(TypedDict):
    """A charge. `stripeId` is Stripe's id of the payment, as soon as there is one."""

    id: str
    status: ChargeStatus
    orderId: str
    stripeId: NotRequired[str]


class PendingPaymentView(TypedDict):
    """A charge that is not decided. With `clientSecret` the buyer's bank wants 3-D Secure; else look at the order."""

    id: str
    status: ChargeStatus
    orderId: str
    clientSecret: NotRequired[str]


class ChargeView(PaymentView):
    """One attempt to pay. `failure` is Stripe's code, `disputed` Stripe's word for how a dispute stands."""

    attempt: int
    amount: float
    currency: str
    createdAt: str
    stripeRefundId: NotRequired[str]
    failure: NotRequired[str]
    refunding: NotRequired[Literal[True]]
    disputed: NotRequired[str]


def charge_view(charge: Charge) -> ChargeView:
    """Return what the buyer sees of one attempt, the payment method excepted."""
    view: ChargeView = {
        "id": charge.id,
        "status": charge.status,
        "orderId": charge.order_id,
        "attempt": charge.attempt,
        "amount": major(charge.amount),
        "currency": charge.currency,
        "createdAt": iso(charge.created_at),
    }
    if charge.stripe_id is not None:
        view["stripeId"] = charge.stripe_id
    if charge.stripe_refund_id is not None:
        view["stripeRefundId"] = charge.stripe_refund_id
    if charge.failure is not None:
        view["failure"] = charge.failure
    if charge.refunding:
        view["refunding"] = True
    if charge.disputed is not None:
        view["disputed"] = charge.disputed
    return view


def payment_view(charge: Charge) -> PaymentView:
    """Return what the buyer sees of the charge."""
    view: PaymentView = {"id": charge.id, "status": charge.status, "orderId": charge.order_id}
    if charge.stripe_id is not None:
        view["stripeId"] = charge.stripe_id
    return view


def pending_payment_view(answer: PaymentAnswer) -> PendingPaymentView:
    """Return what the buyer sees of a charge that is not decided yet."""
    charge = answer.charge
    view: PendingPaymentView = {"id": charge.id, "status": charge.status, "orderId": charge.order_id}
    if answer.client_secret is not None and charge.status is ChargeStatus.CREATED:
        view["clientSecret"] = answer.client_secret
    return view
