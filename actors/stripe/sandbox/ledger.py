"""Where the sandbox keeps what it must not forget."""

from dataclasses import dataclass
from typing import Protocol

from actors.stripe.sandbox.payment_intent import PaymentIntent


@dataclass(frozen=True, slots=True)
class Claim:
    """The first use of an idempotency key: for which request, and for which intent.

    `fingerprint` is a digest of the parameters, so that payment methods are not stored.
    """

    key: str
    endpoint: str
    fingerprint: str
    intent_id: str


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

    async def note_refund(self, refund_id: str, intent_id: str) -> None:
        """Remember where to look for a refund. Noted before the intent is saved, so a note may lead to nothing."""

    async def intent_of_refund(self, refund_id: str) -> str | None:
        """The intent that a refund id was noted with."""
