"""The one way in which an intent changes."""

from collections.abc import Callable, Collection

from actors.runtime.bounded_dict import BoundedDict
from actors.stripe.sandbox.events import Cause, events_of
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.ledger import Ledger
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, IdempotencyRecord, PendingWebhook
from actors.stripe.sandbox.payment_intent import PaymentIntent, Refund

REMEMBERED = 10_000


class Changes:
    """Writes to the ledger. Every method may raise LedgerUnavailable; a change may then have been written."""

    def __init__(self, ledger: Ledger, now: Callable[[], float], ids: IdFactory, event_types: Collection[str]) -> None:
        self._ledger = ledger
        self._now = now
        self._ids = ids
        self._event_types = frozenset(event_types)
        self._listeners: list[Callable[[PendingWebhook], None]] = []
        # What this process wrote last, the longest unwritten first.
        self._newest: BoundedDict[str, PaymentIntent] = BoundedDict(REMEMBERED)

    def when_announced(self, listener: Callable[[PendingWebhook], None]) -> None:
        """Have a function called with what each change of this process announces, once that is in the ledger."""
        self._listeners.append(listener)

    async def newest(self, intent_id: str) -> PaymentIntent | None:
        """The intent, for whoever writes next. Another process may have changed it since; the write then fails."""
        return self._newest.get(intent_id) or await self._ledger.load(intent_id)

    async def write(
        self, before: PaymentIntent | None, after: PaymentIntent, cause: Cause, use: IdempotencyRecord | None = None
    ) -> bool:
        """Write a change and the use of the key that asked for it.

        False, and nothing written, when somebody else wrote since `before` was read, or the key was used before.
        """
        written = after.next_version()
        events = tuple(events_of(before, written, cause, self._ids, self._event_types))
        # Forgotten until the outcome is known: after a lost race the intent has to be read.
        self._newest.pop(written.id, None)
        change = Change(cause.at, written, use, _made(before, written), events)
        if not await self._ledger.append(change):
            return False
        self._newest[written.id] = written
        if webhook := change.webhook:
            for listener in self._listeners:
                listener(webhook)
        return True

    async def decide(self, intent_id: str, decision: Callable[[PaymentIntent | None], PaymentIntent | None]) -> None:
        """Change an intent without a request; a decision of None changes nothing.

        The decision is made again when somebody else wrote meanwhile. Raises what the decision raises.
        """
        while True:
            # Not from memory: no write tells a decision of None that it was made about an old version.
            before = await self._ledger.load(intent_id)
            after = decision(before)
            if after is None or await self.write(before, after, Cause(self._now())):
                return


def _made(before: PaymentIntent | None, after: PaymentIntent) -> CreatedObject | None:
    """A change makes at most one object: the intent, a refund, or the one dispute of its charge."""
    if before is None:
        return CreatedObject("intent", after.id, after.id, after.created)
    for part in after.parts:
        if before.part(part.id) is None:
            return CreatedObject("refund" if isinstance(part, Refund) else "dispute", part.id, after.id, part.created)
    return None
