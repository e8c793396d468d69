"""Money that the buyer's bank claims back (https://docs.stripe.com/disputes, https://docs.stripe.com/testing#disputes)."""

from dataclasses import replace

from actors.stripe.sandbox.commands import EndDispute
from actors.stripe.sandbox.failures import RequestRefused, invalid, not_found
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent


def opened(intent: PaymentIntent, dispute_id: str, now: int) -> PaymentIntent:
    """The intent after the buyer called the charge fraudulent; what has been given back is not disputed."""
    if intent.amount_refundable == 0:
        return intent
    dispute = Dispute(dispute_id, intent.amount_refundable, now)
    return replace(intent, disputes=(*intent.disputes, dispute))


def end(intent: PaymentIntent, command: EndDispute, dispute_id: str) -> Outcome:
    """The bank decides, as Stripe's test evidence tells it to (https://docs.stripe.com/testing#evidence)."""
    dispute = intent.part(dispute_id)
    if not isinstance(dispute, Dispute):
        raise RequestRefused(not_found("dispute", "dispute"))
    if dispute.status != "needs_response":
        return Outcome(intent, invalid("This dispute is already closed"))
    closed = replace(dispute, status=command.status)
    disputes = tuple(closed if one.id == dispute_id else one for one in intent.disputes)
    return Outcome(replace(intent, disputes=disputes), part=closed)
