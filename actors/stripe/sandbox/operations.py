"""What may happen to an intent until its money is taken, and what Stripe says when it may not.

Pure: time and ids come in. Each operation returns the intent to write and what the caller is told.
Source: https://docs.stripe.com/payments/paymentintents/lifecycle and the error codes of the API reference.
"""

import hmac
from dataclasses import dataclass, replace

from actors.stripe.sandbox.cards import CARDS, Card
from actors.stripe.sandbox.commands import CaptureIntent, ConfirmIntent, CreateIntent
from actors.stripe.sandbox.failures import WRONG_CLIENT_SECRET, Failure, RequestRefused, invalid, unexpected_state
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund, Settlement

CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The intent after an operation, and the answer: the failure or its part if there is one, else the intent."""

    intent: PaymentIntent
    failure: Failure | None = None
    part: Refund | Dispute | None = None


def create(command: CreateIntent, ids: IdFactory, now: int) -> Outcome:
    """A new intent, unconfirmed."""
    intent_id = ids("pi")
    intent = PaymentIntent(
        id=intent_id,
        status="requires_payment_method",
        amount=command.amount,
        currency=command.currency,
        capture_method=command.capture_method,
        metadata=command.metadata,
        created=now,
        client_secret=f"{intent_id}_{ids('secret')}",
    )
    return Outcome(_with_card(intent, command.card, ids))


def confirm(intent: PaymentIntent, command: ConfirmIntent, ids: IdFactory, settled_at: float) -> Outcome:
    """Charge the card. A declined card is taken off the intent, which waits for another.

    `settled_at`, here and below, is when what follows without a request will happen, in seconds since 1970.
    """
    if command.client_secret is not None and not hmac.compare_digest(
        command.client_secret.encode(), intent.client_secret.encode()
    ):
        raise RequestRefused(WRONG_CLIENT_SECRET)
    if intent.status not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        return Outcome(
            intent,
            unexpected_state(f"You cannot confirm this PaymentIntent because it has already {_became(intent)}."),
        )
    intent = _with_card(intent, command.card, ids)
    if intent.card is None:
        return Outcome(
            intent, unexpected_state("You cannot confirm this PaymentIntent because it's missing a payment method.")
        )
    card = CARDS[intent.card]
    if card.wants_authentication:
        return Outcome(replace(intent, status="requires_action"))
    if card.decline:
        charge = ids("ch")
        failure = replace(card.decline, charge=charge)
        return Outcome(
            replace(
                intent,
                status="requires_payment_method",
                payment_method=None,
                card=None,
                latest_charge=charge,
                last_payment_error=failure,
            ),
            failure,
        )
    return Outcome(charged(intent, ids, settled_at))


def charged(intent: PaymentIntent, ids: IdFactory, settled_at: float) -> PaymentIntent:
    """The intent after its card was approved: the money is held, or taken when it is not to be captured by hand."""
    held = replace(intent, status="requires_capture", latest_charge=ids("ch"), last_payment_error=None)
    return held if intent.capture_method == "manual" else _taken(held, intent.amount, settled_at)


def capture(intent: PaymentIntent, command: CaptureIntent, settled_at: float) -> Outcome:
    """Take the held money, or a part of it; the rest is let go."""
    if intent.status == "succeeded":
        return Outcome(
            intent,
            unexpected_state("This PaymentIntent could not be captured because it has already been captured."),
        )
    if intent.status != "requires_capture":
        return Outcome(
            intent,
            unexpected_state(
                f"This PaymentIntent could not be captured because it has a status of {intent.status}. "
                "Only a PaymentIntent with one of the following statuses may be captured: requires_capture."
            ),
        )
    amount = intent.amount if command.amount is None else command.amount
    if amount > intent.amount_capturable:
        return Outcome(
            intent,
            invalid(
                "The requested capture amount is greater than the amount you can capture for this charge.",
                code="amount_too_large",
                param="amount_to_capture",
            ),
        )
    return Outcome(_taken(intent, amount, settled_at))


def cancel(intent: PaymentIntent, now: int) -> Outcome:
    """Give the intent up, and let go of the money it holds."""
    if intent.status not in CANCELABLE:
        return Outcome(
            intent,
            unexpected_state(
                f"You cannot cancel this PaymentIntent because it has a status of {intent.status}. "
                f"Only a PaymentIntent with one of the following statuses may be canceled: {', '.join(CANCELABLE)}."
            ),
        )
    return Outcome(replace(intent, status="canceled", canceled_at=now))


def _taken(intent: PaymentIntent, amount: int, settled_at: float) -> PaymentIntent:
    taken = replace(intent, status="succeeded", amount_received=amount)
    if intent.card is None or not CARDS[intent.card].disputed:
        return taken
    return replace(taken, settlements=(*taken.settlements, Settlement("dispute_opens", settled_at)))


def _with_card(intent: PaymentIntent, card: Card | None, ids: IdFactory) -> PaymentIntent:
    if card is None:
        return intent
    return replace(
        intent, status="requires_confirmation", payment_method=ids("pm"), card=card.name, single_use=card.single_use
    )


def _became(intent: PaymentIntent) -> str:
    return "been canceled" if intent.status == "canceled" else "succeeded after being previously confirmed"
