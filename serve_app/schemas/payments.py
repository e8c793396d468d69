"""Payments as clients send and see them."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NotRequired, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.money import to_major_units
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Id

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
_NO_CARDS = "does not belong here: card details go to Stripe only. Send the paymentMethod that its form gave you"


def _name(text: str | None) -> str | None:
    if text is not None and _NAME.fullmatch(text) is None:
        raise ValueError("must be the id that Stripe's form gave you, such as pm_card_visa")
    return text


def _confirmation_token(text: str | None) -> str | None:
    if text is not None and not (text.startswith("ctoken_") and _NAME.fullmatch(text)):
        raise ValueError("must be the id that Stripe's form gave you, such as ctoken_1NnQUf2eZvKYlo2C")
    return text


StripeName = Annotated[str | None, AfterValidator(_name)]
ConfirmationToken = Annotated[str | None, AfterValidator(_confirmation_token)]


class PaymentBody(Body):
    """The order to pay, and with what: one thing that Stripe's form made, never a card.

    With none of them the payment goes on that the buyer's bank asks about.
    """

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("card", "number", "cardNumber", "card_number", "pan", "cvc", "cvv", "expMonth", "expYear", "exp_month"),
        _NO_CARDS,
    )

    of_first_release: ClassVar[frozenset[str]] = frozenset(("payment_method", "token"))

    order_id: Id = Field(alias="orderId")
    payment_method: StripeName = Field(default=None, alias="paymentMethod")
    token: StripeName = None
    confirmation_token: ConfirmationToken = Field(default=None, alias="confirmationToken")

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        others = {"token": self.token, "confirmationToken": self.confirmation_token}
        sent = [name for name, value in others.items() if value is not None]
        if self.payment_method is not None and sent:
            raise PydanticCustomError("rule", "must not come together with paymentMethod", {"field": sent[0]})
        if len(sent) > 1:
            raise PydanticCustomError("rule", "must not come together with token", {"field": "confirmationToken"})
        return self

    @property
    def source(self) -> str | None:
        """What was sent to pay with, None when nothing was."""
        return self.payment_method or self.token or self.confirmation_token


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
        "amount": to_major_units(charge.amount),
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
