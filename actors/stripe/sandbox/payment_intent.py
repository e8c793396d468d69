"""A PaymentIntent as the sandbox keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from actors.stripe.sandbox.failures import Failure

Status = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
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
class SavedAnswer:
    """The answer that an idempotency key stands for."""

    key: str
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back, in minor units; `created` in seconds since 1970."""

    id: str
    amount: int
    created: int


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """One purchase's money, in minor units; times in seconds since 1970.

    The intent holds its refunds and its saved answers, so that one write changes the money and remembers under which
    key it did so. Without that a crash between two writes would lose the answer, and the repeat would act again.
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
    answers: tuple[SavedAnswer, ...] = ()

    @property
    def amount_capturable(self) -> int:
        """What is held on the card and can be captured."""
        return self.amount if self.status == "requires_capture" else 0

    @property
    def amount_refundable(self) -> int:
        """What was captured and has not been given back."""
        return self.amount_received - sum(refund.amount for refund in self.refunds)

    def answer_to(self, key: str) -> Answer | None:
        """The answer saved under an idempotency key."""
        for saved in self.answers:
            if saved.key == key:
                return Answer(saved.status, saved.body, replayed=True)
        return None

    def next_version(self, key: str, answer: Answer) -> "PaymentIntent":
        """The intent to write next, with the answer that this write stands for."""
        saved = SavedAnswer(key, answer.status, answer.body)
        return replace(self, version=self.version + 1, answers=(*self.answers, saved))
