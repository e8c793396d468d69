"""A PaymentIntent as the sandbox keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from actors.stripe.sandbox.failures import Failure

Status = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was, or will be, sent back: the HTTP status and a JSON body."""

    status: int
    body: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back, in minor units; `created` in seconds since 1970."""

    id: str
    amount: int
    created: int
    status: Literal["pending", "succeeded", "failed"] = "succeeded"
    failure_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """The buyer's bank asks for the money back, all of it; in minor units, `created` in seconds since 1970."""

    id: str
    amount: int
    created: int
    status: Literal["needs_response", "won", "lost"] = "needs_response"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What happens to captured money without a request, at `due_at` seconds since 1970."""

    action: Literal["refund_succeeds", "refund_fails", "dispute_opens"]
    due_at: float
    refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """One purchase's money, in minor units; times in seconds since 1970.

    `version` counts the writes; 0 has not been written yet.
    """

    id: str
    status: Status
    amount: int
    currency: str
    capture_method: str
    metadata: Mapping[str, str]
    created: int
    client_secret: str
    version: int = 0
    payment_method: str | None = None
    card: str | None = None
    latest_charge: str | None = None
    amount_received: int = 0
    last_payment_error: Failure | None = None
    canceled_at: int | None = None
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    single_use: str | None = None

    @property
    def amount_capturable(self) -> int:
        """What is held on the card and can be captured."""
        return self.amount if self.status == "requires_capture" else 0

    @property
    def amount_refundable(self) -> int:
        """What was captured and has not been given back."""
        return self.amount_received - self.amount_refunded

    @property
    def amount_refunded(self) -> int:
        """What has been, or is being, given back."""
        return sum(refund.amount for refund in self.refunds if refund.status != "failed")

    @property
    def is_disputed(self) -> bool:
        """Whether the buyer's bank has the money, or may get it."""
        return any(dispute.status != "won" for dispute in self.disputes)

    def part(self, part_id: str) -> Refund | Dispute | None:
        """The refund or dispute with this id."""
        return next((part for part in self.parts if part.id == part_id), None)

    @property
    def parts(self) -> tuple[Refund | Dispute, ...]:
        """All that has an id of its own."""
        return (*self.refunds, *self.disputes)

    def next_version(self) -> "PaymentIntent":
        """The intent to write next."""
        return replace(self, version=self.version + 1)
