"""What is asked of payments, and what a charge is told."""

from dataclasses import dataclass
from typing import TypeAlias

from actors.domain.charge_values import Charge, ChargeStep


@dataclass(frozen=True, slots=True)
class Authorise:
    """Asks Stripe to set the money of this attempt aside; creates the charge on first sight."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class Capture:
    charge_id: str


@dataclass(frozen=True, slots=True)
class ReverseCharge:
    """The money is not to be kept, and that is in the journal: void what is open, refund what was taken."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Asks Stripe what became of money that was taken: whether it was given back or is disputed."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class ReadCharge:
    """`fenced`: the charge in memory is checked against the journal, because the caller relies on the answer."""

    charge_id: str
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class RecordPaidByHand:
    """The refund failed, and the operator paid the buyer back another way."""

    charge_id: str
    by: str


PaymentCommand: TypeAlias = Authorise | Capture | ReverseCharge | Reconcile | ReadCharge | RecordPaidByHand


def charge_id_of(command: PaymentCommand) -> str:
    """Return the id of the charge that the command is for."""
    return command.charge.id if isinstance(command, Authorise) else command.charge_id


@dataclass(frozen=True, slots=True)
class OpenCharge:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ScheduleRetry:
    """Raises the number of tries of a step, before it is used in an idempotency key.

    `refused` when Stripe refused the try before, and not when it failed.
    """

    charge_id: str
    step: ChargeStep
    refused: bool = False


@dataclass(frozen=True, slots=True)
class RecordIntent:
    charge_id: str
    stripe_id: str


@dataclass(frozen=True, slots=True)
class RecordActionRequired:
    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordAuthorised:
    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordCaptured:
    """The money is taken; `refunding` when it is to go back because its order is over."""

    charge_id: str
    refunding: bool = False


@dataclass(frozen=True, slots=True)
class RecordFailed:
    charge_id: str
    failure: str


@dataclass(frozen=True, slots=True)
class RecordVoided:
    """Nobody can pay its intent any more. `without_intent` when there was none to cancel: refused if there is one."""

    charge_id: str
    without_intent: bool = False


@dataclass(frozen=True, slots=True)
class RecordIntentCancelled:
    """Stripe has cancelled the intent of a charge that failed."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordRefunding:
    """The money is to go back: noted before Stripe is asked."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordRefundPending:
    """Stripe has the refund, and its end is open."""

    charge_id: str
    stripe_refund_id: str


@dataclass(frozen=True, slots=True)
class RecordRefunded:
    charge_id: str
    stripe_refund_id: str


@dataclass(frozen=True, slots=True)
class RecordRefundFailed:
    """The refund is refused or failed: the money is with us again."""

    charge_id: str
    failure: str


@dataclass(frozen=True, slots=True)
class RecordDispute:
    charge_id: str
    disputed: str


ChargeCommand: TypeAlias = (
    ReadCharge
    | OpenCharge
    | ScheduleRetry
    | RecordIntent
    | RecordActionRequired
    | RecordAuthorised
    | RecordCaptured
    | RecordFailed
    | RecordVoided
    | RecordIntentCancelled
    | RecordRefunding
    | RecordRefundPending
    | RecordRefunded
    | RecordRefundFailed
    | RecordPaidByHand
    | RecordDispute
)
