"""The test cards (https://docs.stripe.com/testing): what a payment method or token does when it is charged."""

from dataclasses import dataclass, replace
from typing import Literal

from actors.stripe.sandbox.failures import Failure


@dataclass(frozen=True, slots=True)
class Card:
    """A test card. At most one of `decline` and `wants_authentication` is set; with neither it is approved.

    `refunds` says how giving its money back goes: at once, later, or it fails later. `disputed`: what was captured is
    disputed later. `single_use` is the payment method that stands for it, if that can be used for one intent only.
    """

    name: str
    brand: str
    last4: str
    decline: Failure | None = None
    wants_authentication: bool = False
    refunds: Literal["at_once", "pending", "failing"] = "at_once"
    disputed: bool = False
    single_use: str | None = None


def _declined(name: str, last4: str, code: str, decline_code: str | None, message: str) -> Card:
    return Card(name, "visa", last4, Failure(402, "card_error", message, code, decline_code=decline_code))


_CARDS = (
    Card("visa", "visa", "4242"),
    Card("visa_debit", "visa", "5556"),
    Card("mastercard", "mastercard", "4444"),
    Card("mastercard_debit", "mastercard", "8210"),
    Card("mastercard_prepaid", "mastercard", "5100"),
    Card("amex", "amex", "0005"),
    Card("discover", "discover", "1117"),
    Card("diners", "diners", "0004"),
    Card("jcb", "jcb", "0505"),
    Card("unionpay", "unionpay", "0005"),
    _declined("chargeDeclined", "0002", "card_declined", "generic_decline", "Your card was declined."),
    _declined(
        "chargeDeclinedInsufficientFunds",
        "9995",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    _declined("chargeDeclinedLostCard", "9987", "card_declined", "lost_card", "Your card was declined."),
    _declined("chargeDeclinedStolenCard", "9979", "card_declined", "stolen_card", "Your card was declined."),
    _declined("chargeDeclinedFraudulent", "0019", "card_declined", "fraudulent", "Your card was declined."),
    _declined("chargeDeclinedExpiredCard", "0069", "expired_card", None, "Your card has expired."),
    _declined("chargeDeclinedIncorrectCvc", "0127", "incorrect_cvc", None, "Your card's security code is incorrect."),
    _declined(
        "chargeDeclinedProcessingError",
        "0119",
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    Card("authenticationRequired", "visa", "3184", wants_authentication=True),
    Card("threeDSecure2Required", "visa", "3220", wants_authentication=True),
    Card("threeDSecureRequired", "visa", "3063", wants_authentication=True),
    Card("pendingRefund", "visa", "7726", refunds="pending"),  # https://docs.stripe.com/testing#refunds
    Card("refundFail", "visa", "5126", refunds="failing"),
    Card("createDispute", "visa", "0259", disputed=True),  # https://docs.stripe.com/testing#disputes
)
CARDS = {card.name: card for card in _CARDS}
PAYMENT_METHOD = "pm_card_"


def card_of(reference: str, prefix: str) -> Card | None:
    """The card that a reference such as `pm_card_visa` (prefix `pm_card_`) or `tok_visa` (prefix `tok_`) names.

    Stripe writes some declines with the brand, `pm_card_visa_chargeDeclined`; both spellings are the same card.
    """
    if not reference.startswith(prefix):
        return None
    name = reference.removeprefix(prefix)
    card = CARDS.get(name) or CARDS.get(name.removeprefix("visa_"))
    if card is None and prefix == PAYMENT_METHOD:
        # As a form makes them: for one use, as long as it is not attached to a customer.
        of_form = CARDS.get(name.partition("_once_")[0])
        return replace(of_form, single_use=reference) if of_form and "_once_" in name else None
    return card
