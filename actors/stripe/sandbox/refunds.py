"""Money that is given back, and how that ends (https://docs.stripe.com/refunds, https://docs.stripe.com/testing#refunds)."""

from dataclasses import replace

from actors.stripe.sandbox.cards import CARDS
from actors.stripe.sandbox.commands import CreateRefund
from actors.stripe.sandbox.failures import invalid, unexpected_state
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import PaymentIntent, Refund, Settlement


def refund(intent: PaymentIntent, command: CreateRefund, refund_id: str, now: int, settled_at: float) -> Outcome:
    """Give back captured money, never more than is left of it. Refused while the buyer's bank claims it."""
    if intent.status != "succeeded":
        return Outcome(intent, unexpected_state("This PaymentIntent does not have a successful charge to refund."))
    if intent.is_disputed:
        return Outcome(intent, invalid("The charge has been charged back.", code="charge_disputed"))
    if intent.amount_refundable == 0:
        return Outcome(intent, invalid("The charge has already been refunded.", code="charge_already_refunded"))
    amount = intent.amount_refundable if command.amount is None else command.amount
    if amount > intent.amount_refundable:
        return Outcome(
            intent,
            invalid(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({intent.amount_refundable})",
                param="amount",
            ),
        )
    made, settlements = _made(intent, Refund(refund_id, amount, now), settled_at)
    return Outcome(
        replace(intent, refunds=(*intent.refunds, made), settlements=(*intent.settlements, *settlements)), part=made
    )


def ended(intent: PaymentIntent, settlement: Settlement) -> PaymentIntent:
    """The intent after a refund went through, or came back from the buyer's bank."""
    return replace(
        intent,
        refunds=tuple(_ended(one, settlement) if one.id == settlement.refund_id else one for one in intent.refunds),
    )


def _made(intent: PaymentIntent, made: Refund, settled_at: float) -> tuple[Refund, tuple[Settlement, ...]]:
    match CARDS[intent.card].refunds if intent.card else "at_once":
        case "pending":
            return replace(made, status="pending"), (Settlement("refund_succeeds", settled_at, made.id),)
        case "failing":
            return made, (Settlement("refund_fails", settled_at, made.id),)
        case _:
            return made, ()


def _ended(one: Refund, settlement: Settlement) -> Refund:
    if settlement.action == "refund_succeeds":
        return replace(one, status="succeeded")
    return replace(one, status="failed", failure_reason="lost_or_stolen_card")
