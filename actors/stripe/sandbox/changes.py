"""The one way in which an intent changes: note what the change announces, then save it."""

from collections.abc import Callable, Collection

from actors.stripe.sandbox.events import Cause, events_of
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.ledger import Ledger
from actors.stripe.sandbox.notes import PartNote
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund, SavedAnswer


class Changes:
    """Writes to the ledger. Every method may raise LedgerUnavailable; the change may then have been saved."""

    def __init__(self, ledger: Ledger, now: Callable[[], float], ids: IdFactory, announced: Collection[str]) -> None:
        self._ledger = ledger
        self._now = now
        self._ids = ids
        self._announced = frozenset(announced)
        self._listeners: list[Callable[[], None]] = []

    def when_announced(self, listener: Callable[[], None]) -> None:
        """Have a function called, by this process only, after each change that made events."""
        self._listeners.append(listener)

    async def write(
        self, before: PaymentIntent | None, after: PaymentIntent, cause: Cause, answer: SavedAnswer | None = None
    ) -> bool:
        """Save a change; False, and nothing changed, when somebody else wrote since `before` was loaded."""
        written = after.next_version(self._ids("chg"), answer)
        parts = [_note(part, written.id) for part in written.parts if before is None or before.part(part.id) is None]
        events = [event for event in events_of(before, written, cause, self._ids) if event.type in self._announced]
        # Notes first. When we end before the save they lead to nothing, and nobody delivers them. The other way round
        # a change that was saved would never be announced.
        if parts:
            await self._ledger.note_parts(parts)
        if events:
            await self._ledger.note_events(events)
        if not await self._ledger.save(written):
            return False
        if events:
            for listener in self._listeners:
                listener()
        return True

    async def decide(self, intent_id: str, decision: Callable[[PaymentIntent | None], PaymentIntent | None]) -> None:
        """Change an intent without a request; a decision of None changes nothing.

        The decision is made again when somebody else wrote meanwhile. Raises what the decision raises.
        """
        while True:
            before = await self._ledger.load(intent_id)
            after = decision(before)
            if after is None or await self.write(before, after, Cause(self._now())):
                return


def _note(part: Refund | Dispute, intent_id: str) -> PartNote:
    return PartNote(part.id, "refund" if isinstance(part, Refund) else "dispute", intent_id, part.created)
