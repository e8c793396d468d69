"""What a request asks for, read from its form fields. Reading refuses what Stripe refuses before it does anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from actors.stripe.sandbox.cards import PAYMENT_METHOD, Card, card_of
from actors.stripe.sandbox.failures import RequestRefused, invalid, no_such_payment_method
from actors.stripe.sandbox.form import Form
from config.currencies import MAXIMUM_AMOUNT, MINIMUM_AMOUNTS


@dataclass(frozen=True, slots=True)
class CreateIntent:
    """Make an intent, unconfirmed."""

    amount: int
    currency: str
    capture_method: str
    card: Card | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConfirmIntent:
    """Charge the intent's card, or the one given here. A browser shows the intent's `client_secret`."""

    card: Card | None
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CaptureIntent:
    """Take the held money, or the part of it given here."""

    amount: int | None


@dataclass(frozen=True, slots=True)
class CancelIntent:
    """Let go of the held money."""


@dataclass(frozen=True, slots=True)
class CreateRefund:
    """Give captured money back, all that is left or the part given here."""

    intent_id: str
    amount: int | None


@dataclass(frozen=True, slots=True)
class EndDispute:
    """Answer a dispute with one of Stripe's test evidences, or give in."""

    status: Literal["won", "lost"]


Command = CreateIntent | ConfirmIntent | CaptureIntent | CancelIntent | CreateRefund | EndDispute


def read_create_intent(form: Form) -> CreateIntent:
    """Refuses amounts and currencies that Stripe does not take, and unknown cards."""
    if form.group("payment_method_types"):
        raise RequestRefused(
            invalid(
                "payment_method_types is no longer supported; use allowed_payment_method_types.",
                code="payment_method_types_no_longer_supported",
                param="payment_method_types",
            )
        )
    amount = form.required_integer("amount")
    currency = form.required("currency").lower()
    _refuse_amount(amount, currency)
    capture_method = form.text("capture_method") or "automatic_async"
    if capture_method not in ("automatic", "automatic_async", "manual"):
        raise RequestRefused(invalid("Invalid capture_method", param="capture_method"))
    if form.group("allowed_payment_method_types") != {"0": "card"}:
        raise RequestRefused(
            invalid("The sandbox takes cards only", param="allowed_payment_method_types"),
        )
    return CreateIntent(amount, currency, capture_method, _card(form), form.group("metadata"))


def read_confirm_intent(form: Form) -> ConfirmIntent:
    """Refuses unknown cards. `key` is how Stripe.js sends the publishable key."""
    form.text("key")
    form.text("use_stripe_sdk")
    return ConfirmIntent(_card(form), form.text("client_secret"))


def read_capture_intent(form: Form) -> CaptureIntent:
    """Refuses amounts that are no positive integers."""
    return CaptureIntent(_positive(form, "amount_to_capture"))


def read_cancel_intent(_form: Form) -> CancelIntent:
    """There is nothing to read."""
    return CancelIntent()


def read_create_refund(form: Form) -> CreateRefund:
    """Refuses amounts that are no positive integers."""
    return CreateRefund(form.required("payment_intent"), _positive(form, "amount"))


def read_close_dispute(_form: Form) -> EndDispute:
    """There is nothing to read."""
    return EndDispute("lost")


def read_update_dispute(form: Form) -> EndDispute:
    """Refuses evidence that the sandbox's bank does not understand."""
    match form.group("evidence"):
        case {"uncategorized_text": "winning_evidence"}:
            return EndDispute("won")
        case {"uncategorized_text": "losing_evidence"}:
            return EndDispute("lost")
        case _:
            raise RequestRefused(
                invalid("The sandbox takes winning_evidence or losing_evidence", param="evidence[uncategorized_text]")
            )


def _refuse_amount(amount: int, currency: str) -> None:
    minimum = MINIMUM_AMOUNTS.get(currency)
    if minimum is None:
        raise RequestRefused(invalid("Invalid currency", param="currency"))
    if amount < 1:
        raise RequestRefused(
            invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount")
        )
    if amount < minimum:
        raise RequestRefused(
            invalid(f"Amount must be at least {minimum} {currency}", code="amount_too_small", param="amount")
        )
    if amount > MAXIMUM_AMOUNT:
        raise RequestRefused(
            invalid(f"Amount must be no more than {MAXIMUM_AMOUNT}", code="amount_too_large", param="amount")
        )


def _positive(form: Form, name: str) -> int | None:
    amount = form.integer(name)
    if amount is not None and amount < 1:
        raise RequestRefused(
            invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=name)
        )
    return amount


def _card(form: Form) -> Card | None:
    payment_method = form.text("payment_method")
    data = form.group("payment_method_data")
    if payment_method is not None:
        param, card = "payment_method", card_of(payment_method, PAYMENT_METHOD)
    elif data:
        param, card = "payment_method_data[card][token]", card_of(data.get("card][token", ""), "tok_")
    elif (token := form.text("confirmation_token")) is not None:
        param, card = "confirmation_token", card_of(token, "ctoken_")
    else:
        return None
    if card is None:
        raise RequestRefused(no_such_payment_method(param))
    return card
