"""Where the sandbox keeps what it must not forget."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, IdempotencyRecord, Kind, PendingWebhook
from actors.stripe.sandbox.payment_intent import PaymentIntent


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a list that has the newest first: what was created at or after `created_since` (seconds since 1970).

    `after` is the time and the id of the object that it continues after; ids order what was created in one second.
    """

    limit: int
    created_since: int = 0
    after: tuple[int, str] | None = None


class LedgerUnavailable(Exception):  # noqa: N818  # named for what happened
    """The ledger could not be reached; whether the last write happened is not known."""


class Ledger(Protocol):
    """Changes are added and never replaced; an intent is what its last change left.

    Each operation is atomic, also between processes that share the ledger. Any may raise LedgerUnavailable. Nothing is
    ever removed: neither old versions, three or four of a purchase, nor keys, which Stripe keeps for a day at least.
    """

    async def append(self, change: Change) -> bool:
        """Add a change to what its writer read, version n to n-1.

        False, and nothing added, when that version is there already, or the change's key was used before.
        """

    async def bind(self, use: IdempotencyRecord) -> bool:
        """Have a key stand for an answer without any change; False, and nothing done, when it was used before."""

    async def use_of(self, key: str) -> IdempotencyRecord | None:
        """The use that an idempotency key was put to."""

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """The intent as it was last written, by whichever process."""

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        """The intents of these that exist, by id."""

    async def made(self, object_id: str) -> CreatedObject | None:
        """Where to look for an intent, refund or dispute."""

    async def listed(self, kind: Kind, span: Span) -> Sequence[CreatedObject]:
        """Objects of one kind, the newest first."""

    async def to_settle(self, now: float, limit: int) -> Mapping[str, str]:
        """Intents with a settlement that is due and may not have happened yet, by the id of the change that says so."""

    async def mark_settled(self, change_ids: Collection[str]) -> None:
        """What was due according to these changes has happened."""

    async def pending_webhooks(self, now: float, limit: int, without: Collection[str]) -> Sequence[PendingWebhook]:
        """Webhook events to be delivered by now, the longest due first, but not those with an id in `without`."""

    async def mark_delivered(self, change_ids: Collection[str]) -> None:
        """The events of these changes are delivered, or never will be."""

    async def postpone(self, change_ids: Collection[str], due_at: float) -> None:
        """Count a failed attempt for those of these changes that are not delivered; the next is due then."""

    async def faults(self) -> FaultPlan | None:
        """The plan of faults, if there is one."""

    async def set_faults(self, plan: FaultPlan | None) -> None:
        """Replace the plan of faults, or end it."""
