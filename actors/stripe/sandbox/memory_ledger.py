"""A ledger for one process, forgotten when it ends."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import Claim, Span
from actors.stripe.sandbox.notes import EventNote, PartKind, PartNote
from actors.stripe.sandbox.payment_intent import PaymentIntent

Listed = TypeVar("Listed", PaymentIntent, PartNote)


class MemoryLedger:
    """Atomic because no operation awaits anything."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._intents: dict[str, PaymentIntent] = {}
        self._parts: dict[str, PartNote] = {}
        self._events: dict[str, EventNote] = {}
        self._faults: FaultPlan | None = None

    async def claim(self, claim: Claim) -> Claim:
        """See Ledger."""
        return self._claims.setdefault(claim.key, claim)

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """See Ledger."""
        return self._intents.get(intent_id)

    async def save(self, intent: PaymentIntent) -> bool:
        """See Ledger."""
        current = self._intents.get(intent.id)
        if (current.version if current else 0) != intent.version - 1:
            return False
        self._intents[intent.id] = intent
        return True

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        """See Ledger."""
        return {one: self._intents[one] for one in intent_ids if one in self._intents}

    async def intents(self, span: Span) -> Sequence[PaymentIntent]:
        """See Ledger."""
        return _piece(self._intents.values(), span)

    async def intents_to_settle(self, now: float, limit: int) -> Sequence[str]:
        """See Ledger."""
        due = [one.id for one in self._intents.values() if any(part.due_at <= now for part in one.settlements)]
        return due[:limit]

    async def note_parts(self, parts: Sequence[PartNote]) -> None:
        """See Ledger."""
        self._parts.update((part.id, part) for part in parts)

    async def part(self, part_id: str) -> PartNote | None:
        """See Ledger."""
        return self._parts.get(part_id)

    async def parts(self, kind: PartKind, span: Span) -> Sequence[PartNote]:
        """See Ledger."""
        return _piece((part for part in self._parts.values() if part.kind == kind), span)

    async def note_events(self, events: Sequence[EventNote]) -> None:
        """See Ledger."""
        self._events.update((event.id, event) for event in events)

    async def due_events(self, now: float, limit: int, without: Collection[str]) -> Sequence[EventNote]:
        """See Ledger."""
        due = [event for event in self._events.values() if event.due_at <= now and event.id not in without]
        return sorted(due, key=lambda event: event.due_at)[:limit]

    async def remove_events(self, event_ids: Sequence[str]) -> None:
        """See Ledger."""
        for event_id in event_ids:
            self._events.pop(event_id, None)

    async def postpone_events(self, event_ids: Sequence[str], due_at: float) -> None:
        """See Ledger."""
        for event_id in event_ids:
            if event := self._events.get(event_id):
                self._events[event_id] = replace(event, due_at=due_at, attempts=event.attempts + 1)

    async def faults(self) -> FaultPlan | None:
        """See Ledger."""
        return self._faults

    async def set_faults(self, plan: FaultPlan | None) -> None:
        """See Ledger."""
        self._faults = plan


def _piece(listed: Iterable[Listed], span: Span) -> list[Listed]:
    found = [
        one
        for one in listed
        if one.created >= span.created_since and (span.after is None or (one.created, one.id) < span.after)
    ]
    return sorted(found, key=lambda one: (one.created, one.id), reverse=True)[: span.limit]
