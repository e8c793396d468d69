"""What happens to captured money without a request: refunds end, disputes are opened."""

from dataclasses import replace

from actors.stripe.sandbox import disputes, refunds
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.payment_intent import PaymentIntent


def settled(intent: PaymentIntent, ids: IdFactory, now: float) -> PaymentIntent | None:
    """The intent after everything that is due; None when nothing is."""
    due = [one for one in intent.settlements if one.due_at <= now]
    if not due:
        return None
    for settlement in due:
        if settlement.action == "dispute_opens":
            intent = disputes.opened(intent, ids("dp"), int(now))
        else:
            intent = refunds.ended(intent, settlement)
    return replace(intent, settlements=tuple(one for one in intent.settlements if one.due_at > now))
