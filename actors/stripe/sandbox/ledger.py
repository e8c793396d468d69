"""Where the sandbox keeps what it must not forget."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.notes import EventNote, PartKind, PartNote
from actors.stripe.sandbox.payment_intent import PaymentIntent


@dataclass(frozen=True, slots=True)
class Claim:
    """The first use of an idempotency key: for which request, and for which intent.

    `fingerprint` is a digest of the parameters, so that payment methods are not stored. `broken`: the answer to the
    key is a 500, and nothing was done.
    """

    key: str
    endpoint: str
    fingerprint: str
    intent_id: str
    broken: bool = False


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
    """Each operation is atomic, also between processes that share the ledger. Any may raise LedgerUnavailable."""

    async def claim(self, claim: Claim) -> Claim:
        """Bind a key for good; returns the claim that holds it, which is another one when the key was used before."""

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """The intent as it was last written."""

    async def save(self, intent: PaymentIntent) -> bool:
        """Write version n over version n-1; False, and nothing written, when somebody else wrote in between."""

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        """The intents of these that exist, by id."""

    async def intents(self, span: Span) -> Sequence[PaymentIntent]:
        """Intents, the newest first."""

    async def intents_to_settle(self, now: float, limit: int) -> Sequence[str]:
        """Ids of intents with a settlement that is due."""

    async def note_parts(self, parts: Sequence[PartNote]) -> None:
        """Remember where to look for refunds and disputes. Called before the intent is saved."""

    async def part(self, part_id: str) -> PartNote | None:
        """What was noted under an id."""

    async def parts(self, kind: PartKind, span: Span) -> Sequence[PartNote]:
        """Notes of one kind, the newest first."""

    async def note_events(self, events: Sequence[EventNote]) -> None:
        """Remember what to announce. Called before the intent is saved."""

    async def due_events(self, now: float, limit: int, without: Collection[str]) -> Sequence[EventNote]:
        """Events that are due, the longest due first, but not those with an id in `without`."""

    async def remove_events(self, event_ids: Sequence[str]) -> None:
        """Forget events that are delivered, or never will be."""

    async def postpone_events(self, event_ids: Sequence[str], due_at: float) -> None:
        """Count a failed attempt for each; the next is due then."""

    async def faults(self) -> FaultPlan | None:
        """The plan of faults, if there is one."""

    async def set_faults(self, plan: FaultPlan | None) -> None:
        """Replace the plan of faults, or end it."""
