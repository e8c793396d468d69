"""What may happen to a charge. A charge never goes back: created → authorised → completed → refunded, or an end."""

from dataclasses import replace

from actors.domain.ids import derived_id
from actors.domain.messages import (
    Charge,
    ChargeActionRequired,
    ChargeAuthorised,
    ChargeCommand,
    ChargeCompleted,
    ChargeCreated,
    ChargeEvent,
    ChargeFailed,
    ChargeIntentCreated,
    ChargeRefunded,
    ChargeStatus,
    ChargeStep,
    ChargeTried,
    ChargeVoided,
    Instant,
    InvalidTransition,
    NotFound,
    OpenCharge,
    ReadCharge,
    RecordActionRequired,
    RecordAuthorised,
    RecordCaptured,
    RecordFailed,
    RecordIntent,
    RecordRefunded,
    RecordVoided,
    Refusal,
    RequestMismatch,
    StartTry,
)

Decision = tuple[ChargeEvent, ...] | Refusal
UNCHANGED: tuple[ChargeEvent, ...] = ()


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
        case StartTry(step=step):
            return (ChargeTried(_next(charge, now, tries=(*charge.tries, step))),)
        case RecordIntent(stripe_id=charge.stripe_id) | RecordRefunded(stripe_refund_id=charge.stripe_refund_id):
            return UNCHANGED
    return _transition(charge, command, now)


def _transition(charge: Charge, command: ChargeCommand, now: Instant) -> Decision:  # noqa: PLR0911 - a row a rule
    match command, charge.status:
        case RecordIntent(stripe_id=stripe_id), ChargeStatus.CREATED if charge.stripe_id is None:
            return (ChargeIntentCreated(_next(charge, now, stripe_id=stripe_id)),)
        case RecordActionRequired(), ChargeStatus.CREATED:
            wanted = (ChargeActionRequired(_next(charge, now, action_required=True)),)
            return UNCHANGED if charge.action_required else wanted
        case RecordAuthorised(), ChargeStatus.CREATED:
            return (ChargeAuthorised(_next(charge, now, status=ChargeStatus.AUTHORISED, action_required=False)),)
        case RecordCaptured(), ChargeStatus.CREATED | ChargeStatus.AUTHORISED:
            return (ChargeCompleted(_next(charge, now, status=ChargeStatus.COMPLETED)),)
        case RecordFailed(failure=failure), ChargeStatus.CREATED:
            return (ChargeFailed(_next(charge, now, status=ChargeStatus.FAILED, failure=failure)),)
        case RecordVoided(), ChargeStatus.CREATED | ChargeStatus.AUTHORISED:
            return (ChargeVoided(_next(charge, now, status=ChargeStatus.VOIDED)),)
        case RecordRefunded(stripe_refund_id=refund), ChargeStatus.COMPLETED:
            return (ChargeRefunded(_next(charge, now, status=ChargeStatus.REFUNDED, stripe_refund_id=refund)),)
    return UNCHANGED if _REACHED.get(type(command)) is charge.status else InvalidTransition()


_REACHED = {
    RecordAuthorised: ChargeStatus.AUTHORISED,
    RecordCaptured: ChargeStatus.COMPLETED,
    RecordFailed: ChargeStatus.FAILED,
    RecordVoided: ChargeStatus.VOIDED,
    RecordRefunded: ChargeStatus.REFUNDED,
}


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
