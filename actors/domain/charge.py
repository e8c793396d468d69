"""What may happen to a charge: created → authorised → completed → refunded, or an end on the way.

Two things lead out of an end. A refund that fails takes a charge back from refunded to completed: the money is with
us again. Money that somebody took for a charge after it had failed makes it completed, only to be given back.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from actors.domain.charge_commands import (
    ChargeCommand,
    OpenCharge,
    ReadCharge,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordDispute,
    RecordFailed,
    RecordIntent,
    RecordIntentCancelled,
    RecordPaidByHand,
    RecordRefunded,
    RecordRefundFailed,
    RecordRefunding,
    RecordRefundPending,
    RecordVoided,
    ScheduleRetry,
)
from actors.domain.charge_events import (
    ChargeActionRequired,
    ChargeAuthorised,
    ChargeCompleted,
    ChargeCreated,
    ChargeDisputed,
    ChargeEvent,
    ChargeFailed,
    ChargeIntentCancelled,
    ChargeIntentCreated,
    ChargePaidByHand,
    ChargeRefunded,
    ChargeRefundFailed,
    ChargeRefunding,
    ChargeRetryScheduled,
    ChargeVoided,
)
from actors.domain.charge_values import Charge, ChargeStatus, ChargeStep
from actors.domain.ids import derived_id
from actors.domain.instants import Instant
from actors.domain.refusals import InvalidTransition, NotFound, Refusal, RequestMismatch
from actors.domain.ticket_values import Order, OrderStatus, RefundStatus

Decision = tuple[ChargeEvent, ...] | Refusal
UNCHANGED: tuple[ChargeEvent, ...] = ()
# Why a charge failed whose payment method or token Stripe does not know. Such an attempt does not count.
UNKNOWN_METHOD = "unknown_payment_method"


def charge_id(order_id: str, attempt: int) -> str:
    """The id of the one charge that this attempt of the order can ever have."""
    return derived_id("charge", order_id, str(attempt))


def idempotency_key(charge: Charge, step: ChargeStep) -> str:
    """The key of the current try of a step, as Stripe sees it."""
    return f"charge:{charge.id}:{step}:{charge.tries.count(step) + 1}"


def decide(charge: Charge | None, command: ChargeCommand, now: Instant) -> Decision:
    """The event that follows from the command, none when it repeats what already holds, or the rule that refuses it."""
    if charge is None:
        return (ChargeCreated(command.charge),) if isinstance(command, OpenCharge) else NotFound()
    match command:
        case ReadCharge():
            return UNCHANGED
        case OpenCharge(charge=asked):
            return UNCHANGED if _same_payment(charge, asked) else RequestMismatch()
        case ScheduleRetry(step=step, refused=refused):
            refusals = charge.capture_refusals + (refused and step is ChargeStep.CAPTURE)
            return (ChargeRetryScheduled(_next(charge, now, tries=(*charge.tries, step), capture_refusals=refusals)),)
        case RecordIntent(stripe_id=charge.stripe_id):
            return UNCHANGED
    return _HANDLERS[charge.status](charge, command, now)


def _when_open(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:
    match command:
        case RecordCaptured(refunding=refunding):
            taken = _next(charge, now, status=ChargeStatus.COMPLETED, action_required=False, refunding=refunding)
            return (ChargeCompleted(taken),)
        case RecordVoided(without_intent=True) if charge.stripe_id is not None:
            return InvalidTransition()
        case RecordVoided():
            return (ChargeVoided(_next(charge, now, status=ChargeStatus.VOIDED)),)
    return _when_created(charge, command, now) if charge.status is ChargeStatus.CREATED else _when_over(charge, command)


def _when_created(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:
    match command:
        case RecordIntent(stripe_id=stripe_id) if charge.stripe_id is None:
            return (ChargeIntentCreated(_next(charge, now, stripe_id=stripe_id)),)
        case RecordActionRequired():
            wanted = (ChargeActionRequired(_next(charge, now, action_required=True)),)
            return UNCHANGED if charge.action_required else wanted
        case RecordAuthorised():
            return (ChargeAuthorised(_next(charge, now, status=ChargeStatus.AUTHORISED, action_required=False)),)
        case RecordFailed(failure=failure):
            return (ChargeFailed(_next(charge, now, status=ChargeStatus.FAILED, failure=failure)),)
    return InvalidTransition()


def _when_taken(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:  # noqa: PLR0911 - a row a rule
    """Completed or refunded: the money was taken, and may go back or be asked for by the buyer's bank."""
    is_back = charge.status is ChargeStatus.REFUNDED
    match command:
        case RecordDispute(disputed=charge.disputed) | RecordRefundPending(stripe_refund_id=charge.stripe_refund_id):
            return UNCHANGED
        case RecordDispute(disputed=disputed):
            return (ChargeDisputed(_next(charge, now, disputed=disputed)),)
        case RecordRefunding() if not is_back:
            return UNCHANGED if charge.refunding else (ChargeRefunding(_next(charge, now, refunding=True)),)
        case RecordRefundPending(stripe_refund_id=refund) if not is_back:
            return (ChargeRefunding(_next(charge, now, refunding=True, stripe_refund_id=refund)),)
        case RecordRefunded(stripe_refund_id=refund) if not is_back:
            back = _next(charge, now, status=ChargeStatus.REFUNDED, refunding=False, stripe_refund_id=refund)
            return (ChargeRefunded(back),)
        case RecordRefundFailed(failure=failure):
            if not (charge.refunding or is_back):
                return UNCHANGED
            return (ChargeRefundFailed(_after_a_failed_refund(charge, failure, now)),)
        case RecordPaidByHand(by=by) if has_failed_refund(charge):
            return (ChargePaidByHand(_next(charge, now, paid_by_hand=by)),)
        case RecordPaidByHand() if charge.paid_by_hand is not None:
            return UNCHANGED
    return _when_over(charge, command)


def _after_a_failed_refund(charge: Charge, failure: str, now: Instant) -> Charge:
    """The money is with us, and another refund would have another key."""
    return _next(
        charge,
        now,
        status=ChargeStatus.COMPLETED,
        refunding=False,
        stripe_refund_id=None,
        failure=failure,
        tries=(*charge.tries, ChargeStep.REFUND),
    )


def _when_failed(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:
    """Its intent is still to be cancelled. Until then somebody may pay it in a browser, and another take that money."""
    match command:
        case RecordIntentCancelled() if charge.stripe_id is not None:
            cancelled = (ChargeIntentCancelled(_next(charge, now, intent_cancelled=True)),)
            return UNCHANGED if charge.intent_cancelled else cancelled
        case RecordCaptured(refunding=True) if charge.is_payable:
            taken = _next(charge, now, status=ChargeStatus.COMPLETED, refunding=True, failure=None)
            return (ChargeCompleted(taken),)
    return _when_over(charge, command)


def _when_over(charge: Charge, command: ChargeCommand, _now: Instant = 0) -> Decision:
    return UNCHANGED if _REACHED.get(type(command)) is charge.status else InvalidTransition()


_REACHED = {
    RecordAuthorised: ChargeStatus.AUTHORISED,
    RecordCaptured: ChargeStatus.COMPLETED,
    RecordFailed: ChargeStatus.FAILED,
    RecordVoided: ChargeStatus.VOIDED,
    RecordRefunded: ChargeStatus.REFUNDED,
}

Handler = Callable[[Charge, ChargeCommand, Instant], Decision]
_HANDLERS: dict[ChargeStatus, Handler] = {
    ChargeStatus.CREATED: _when_open,
    ChargeStatus.AUTHORISED: _when_open,
    ChargeStatus.COMPLETED: _when_taken,
    ChargeStatus.REFUNDED: _when_taken,
    ChargeStatus.FAILED: _when_failed,
    ChargeStatus.VOIDED: _when_over,
}


def has_failed_refund(charge: Charge) -> bool:
    """Whether its money was to go back and is with us all the same, and nobody paid the buyer another way."""
    is_kept = charge.status is ChargeStatus.COMPLETED and not charge.refunding
    return is_kept and charge.failure is not None and charge.paid_by_hand is None


def refund_status(order: Order, charges: Iterable[Charge]) -> RefundStatus | None:
    """Return what became of the money of an order, None where none is to go back.

    None also while the sale stands, and where nothing was taken. Of several payments the worst counts.
    """
    found = {_refund_status_of(charge, order) for charge in charges}
    if order.refunding:
        found.add(RefundStatus.PENDING)
    worst_first = (RefundStatus.FAILED, RefundStatus.PENDING, RefundStatus.PAID_BY_HAND, RefundStatus.DONE)
    return next((status for status in worst_first if status in found), None)


def _refund_status_of(charge: Charge, order: Order) -> RefundStatus | None:
    is_over = order.status is OrderStatus.CANCELLED
    match charge.status:
        case ChargeStatus.COMPLETED if charge.refunding:
            return RefundStatus.PENDING
        case ChargeStatus.COMPLETED if charge.paid_by_hand is not None:
            return RefundStatus.PAID_BY_HAND
        case ChargeStatus.COMPLETED if is_over:
            return RefundStatus.FAILED if charge.failure is not None else RefundStatus.PENDING
        case ChargeStatus.REFUNDED:
            return RefundStatus.DONE
        case ChargeStatus.VOIDED if is_over and charge.id == order.charge_id:
            return RefundStatus.DONE  # sold and not collected yet: there was nothing to give back but to let go of
    return None


def evolve(event: ChargeEvent) -> Charge:
    """The charge after the event, which carries it whole."""
    return event.charge


def _next(charge: Charge, now: Instant, **changes: object) -> Charge:
    return replace(charge, version=charge.version + 1, updated_at=now, **changes)  # type: ignore[arg-type]


def _same_payment(charge: Charge, asked: Charge) -> bool:
    """Another wish to pay the same order may name another payment method: the first one counts.

    Only the key of the first wish names what it was used for.
    """
    return asked.request is None or asked.request != charge.request or asked.payment_method == charge.payment_method
