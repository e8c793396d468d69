"""A ledger for one process, forgotten when it ends."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import Span
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, IdempotencyRecord, Kind, PendingWebhook
from actors.stripe.sandbox.payment_intent import PaymentIntent


class MemoryLedger:
    """Atomic because no operation awaits anything. Of each intent it keeps the last version only."""

    def __init__(self) -> None:
        self._intents: dict[str, PaymentIntent] = {}
        self._uses: dict[str, IdempotencyRecord] = {}
        self._made: dict[str, CreatedObject] = {}
        self._to_settle: dict[str, tuple[float, str]] = {}
        self._webhooks: dict[str, PendingWebhook] = {}
        self._faults: FaultPlan | None = None

    async def append(self, change: Change) -> bool:
        """See Ledger."""
        current = self._intents.get(change.intent.id)
        if current is not None and current.version >= change.intent.version:
            return False
        if change.use is not None and change.use.key in self._uses:
            return False
        self._add(change)
        return True

    def _add(self, change: Change) -> None:
        self._intents[change.intent.id] = change.intent
        if change.use is not None:
            self._uses[change.use.key] = change.use
        if change.made is not None:
            self._made[change.made.id] = change.made
        if change.settle_at is not None:
            self._to_settle[change.id] = (change.settle_at, change.intent.id)
        if change.webhook is not None:
            self._webhooks[change.id] = change.webhook

    async def bind(self, use: IdempotencyRecord) -> bool:
        """See Ledger."""
        return self._uses.setdefault(use.key, use) is use

    async def use_of(self, key: str) -> IdempotencyRecord | None:
        """See Ledger."""
        return self._uses.get(key)

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """See Ledger."""
        return self._intents.get(intent_id)

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        """See Ledger."""
        return {one: self._intents[one] for one in intent_ids if one in self._intents}

    async def made(self, object_id: str) -> CreatedObject | None:
        """See Ledger."""
        return self._made.get(object_id)

    async def listed(self, kind: Kind, span: Span) -> Sequence[CreatedObject]:
        """See Ledger."""
        found = [
            one
            for one in self._made.values()
            if one.kind == kind
            and one.created >= span.created_since
            and (span.after is None or (one.created, one.id) < span.after)
        ]
        return sorted(found, key=lambda one: (one.created, one.id), reverse=True)[: span.limit]

    async def to_settle(self, now: float, limit: int) -> Mapping[str, str]:
        """See Ledger."""
        due = [(change_id, intent_id) for change_id, (at, intent_id) in self._to_settle.items() if at <= now]
        return dict(due[:limit])

    async def mark_settled(self, change_ids: Collection[str]) -> None:
        """See Ledger."""
        for change_id in change_ids:
            self._to_settle.pop(change_id, None)

    async def pending_webhooks(self, now: float, limit: int, without: Collection[str]) -> Sequence[PendingWebhook]:
        """See Ledger."""
        due = [one for one in self._webhooks.values() if one.due_at <= now and one.id not in without]
        return sorted(due, key=lambda one: one.due_at)[:limit]

    async def mark_delivered(self, change_ids: Collection[str]) -> None:
        """See Ledger."""
        for change_id in change_ids:
            self._webhooks.pop(change_id, None)

    async def postpone(self, change_ids: Collection[str], due_at: float) -> None:
        """See Ledger."""
        for change_id in change_ids:
            if one := self._webhooks.get(change_id):
                self._webhooks[change_id] = replace(one, due_at=due_at, attempts=one.attempts + 1)

    async def faults(self) -> FaultPlan | None:
        """See Ledger."""
        return self._faults

    async def set_faults(self, plan: FaultPlan | None) -> None:
        """See Ledger."""
        self._faults = plan
