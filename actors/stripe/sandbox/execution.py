"""Which operation a request is."""

from dataclasses import dataclass

from actors.stripe.sandbox import disputes, operations, refunds
from actors.stripe.sandbox.commands import (
    CancelIntent,
    CaptureIntent,
    ConfirmIntent,
    CreateIntent,
    CreateRefund,
    EndDispute,
)
from actors.stripe.sandbox.failures import RequestRefused, not_found
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import PaymentIntent
from actors.stripe.sandbox.routes import Order


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What does not follow from the request and the intent: ids, and times in seconds since 1970.

    `settled_at` is when what follows without a request will happen.
    """

    ids: IdFactory
    now: float
    settled_at: float


def execute(order: Order, intent: PaymentIntent | None, given: Circumstances) -> Outcome:
    """What becomes of the intent, None being one that does not exist. Raises RequestRefused when it has to exist."""
    command, ids, now = order.command, given.ids, int(given.now)
    if isinstance(command, CreateIntent):
        return operations.create(command, ids, now)
    if intent is None:
        raise RequestRefused(
            not_found("payment_intent", "payment_intent" if isinstance(command, CreateRefund) else "intent")
        )
    match command:
        case ConfirmIntent():
            return operations.confirm(intent, command, ids, given.settled_at)
        case CaptureIntent():
            return operations.capture(intent, command, given.settled_at)
        case CancelIntent():
            return operations.cancel(intent, now)
        case CreateRefund():
            return refunds.refund(intent, command, ids("re"), now, given.settled_at)
        case EndDispute():
            return disputes.end(intent, command, order.object_id or "")
