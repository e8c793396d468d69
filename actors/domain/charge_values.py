"""What is known of a charge: one attempt to take the money of one order. Amounts are integers of cents."""

from dataclasses import dataclass, field
from enum import StrEnum

from actors.domain.instants import Instant


class ChargeStatus(StrEnum):
    CREATED = "created"
    AUTHORISED = "authorised"
    COMPLETED = "completed"
    FAILED = "failed"
    VOIDED = "voided"
    REFUNDED = "refunded"


class ChargeStep(StrEnum):
    """The calls to Stripe; each has its own idempotency key."""

    CREATE = "create"
    CONFIRM = "confirm"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt to take the money of one order; amount, currency and payment method never change.

    `refunding` while its money is to go back, and `disputed` is Stripe's word for how a dispute stands. `paid_by_hand`
    is who paid the buyer back another way after the refund failed.
    `intent_cancelled` when Stripe has said that nobody can pay the intent of this failed charge any more.
    `tries` names a step once for each new key that it needed; `capture_refusals` counts those after a refusal.
    """

    id: str
    order_id: str
    ticket_id: str
    buyer_id: str
    attempt: int
    amount: int
    currency: str
    payment_method: str = field(repr=False)
    status: ChargeStatus
    created_at: Instant
    updated_at: Instant
    version: int = 1
    stripe_id: str | None = None
    stripe_refund_id: str | None = None
    failure: str | None = None
    action_required: bool = False
    refunding: bool = False
    disputed: str | None = None
    tries: tuple[str, ...] = ()
    request: str | None = None
    intent_cancelled: bool = False
    paid_by_hand: str | None = None
    capture_refusals: int = 0

    @property
    def is_open(self) -> bool:
        """Whether Stripe may hold money for it that is neither taken nor given back."""
        return self.status in (ChargeStatus.CREATED, ChargeStatus.AUTHORISED) or self.refunding

    @property
    def is_payable(self) -> bool:
        """Whether it failed, and its intent can still be paid with the client secret until it is cancelled."""
        return self.status is ChargeStatus.FAILED and self.stripe_id is not None and not self.intent_cancelled

    @property
    def has_pending_money(self) -> bool:
        """Whether something is still to be done about it at Stripe, now or once its order is over."""
        return self.is_open or self.is_payable
