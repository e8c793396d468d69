"""A ledger for one process, forgotten when it ends."""

from actors.stripe.sandbox.ledger import Claim
from actors.stripe.sandbox.payment_intent import PaymentIntent


class MemoryLedger:
    """Atomic because no operation awaits anything."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._intents: dict[str, PaymentIntent] = {}
        self._intents_of_refunds: dict[str, str] = {}

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

    async def note_refund(self, refund_id: str, intent_id: str) -> None:
        """See Ledger."""
        self._intents_of_refunds[refund_id] = intent_id

    async def intent_of_refund(self, refund_id: str) -> str | None:
        """See Ledger."""
        return self._intents_of_refunds.get(refund_id)
