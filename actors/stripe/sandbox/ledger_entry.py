"""What the ledger is made of: each change of an intent, with the answer that it stands for and what it announces."""

from dataclasses import dataclass
from typing import Literal

from actors.stripe.sandbox.payment_intent import PaymentIntent

Kind = Literal["intent", "refund", "dispute"]


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The one use of an idempotency key, and the answer that it stands for from then on.

    `fingerprint` is a digest of the parameters, so that payment methods are not stored.
    """

    key: str
    endpoint: str
    fingerprint: str
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class CreatedObject:
    """An object that a change brought into being, and the intent that holds it. `created` in seconds since 1970."""

    kind: Kind
    id: str
    intent_id: str
    created: int


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook event to deliver, as the JSON that is sent."""

    id: str
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write, at `at` seconds since 1970: the intent after it, and all that follows from it.

    In one piece, because a crash between two writes would lose the answer, and the repeat would act again, or lose the
    event, or an event of what never happened.
    """

    at: float
    intent: PaymentIntent
    use: IdempotencyRecord | None = None
    made: CreatedObject | None = None
    events: tuple[Event, ...] = ()

    @property
    def id(self) -> str:
        """The same for all who write this version of the intent, so that one of them does."""
        return f"{self.intent.id}:{self.intent.version}"

    @property
    def webhook(self) -> "PendingWebhook | None":
        """What is to be delivered because of it, at once."""
        return PendingWebhook(self.id, self.at, self.events, due_at=self.at) if self.events else None

    @property
    def settle_at(self) -> float | None:
        """When the first thing happens to the intent without a request, in seconds since 1970."""
        return min((settlement.due_at for settlement in self.intent.settlements), default=None)


@dataclass(frozen=True, slots=True)
class PendingWebhook:
    """The events of a change that are still to be delivered; times in seconds since 1970.

    `id` and `at` are the change's. `attempts` counts the deliveries that failed; the next is due at `due_at`.
    """

    id: str
    at: float
    events: tuple[Event, ...]
    due_at: float
    attempts: int = 0
