"""Ledgers in memory that go wrong, or have a protection off."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from actors.stripe.sandbox import LedgerUnavailable, MemoryLedger
from actors.stripe.sandbox.ledger_entry import Change, PendingWebhook
from actors.stripe.sandbox.payment_intent import PaymentIntent


class InterleavingLedger(MemoryLedger):
    """Lets other tasks run before every operation, as a database does. `losers` counts the changes that came late."""

    def __init__(self) -> None:
        super().__init__()
        self.losers = 0

    async def load(self, intent_id: str) -> PaymentIntent | None:
        await asyncio.sleep(0)
        return await super().load(intent_id)

    async def append(self, change: Change) -> bool:
        await asyncio.sleep(0)
        is_written = await super().append(change)
        self.losers += not is_written
        return is_written


class CountingLedger(MemoryLedger):
    """Says which intents were `loaded`."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    async def load(self, intent_id: str) -> PaymentIntent | None:
        self.loaded.append(intent_id)
        return await super().load(intent_id)


class UnguardedLedger(InterleavingLedger):
    """A ledger with the protection off: the last writer of a version wins."""

    async def append(self, change: Change) -> bool:
        await asyncio.sleep(0)
        self._add(change)
        return True


class KeylessLedger(MemoryLedger):
    """A ledger with the protection off: a key may be used again."""

    async def append(self, change: Change) -> bool:
        return await super().append(replace(change, use=None))


class Crash(BaseException):
    """The end of a process."""


class CrashingLedger(MemoryLedger):
    """The process dies at a change, counted from 1: right after it was written, or right before."""

    def __init__(self, *, at: int, saves_first: bool) -> None:
        super().__init__()
        self._left = at
        self._saves_first = saves_first

    async def append(self, change: Change) -> bool:
        self._left -= 1
        if self._left != 0:
            return await super().append(change)
        if self._saves_first:
            await super().append(change)
        raise Crash


class LostAnswerLedger(MemoryLedger):
    """Says that it is unavailable after the change that it wrote while `loses`."""

    def __init__(self) -> None:
        super().__init__()
        self.loses = False

    async def append(self, change: Change) -> bool:
        is_written = await super().append(change)
        if self.loses:
            raise LedgerUnavailable
        return is_written


class TwoWritesLedger(MemoryLedger):
    """A ledger with the protection off: what a change announces is written after the change."""

    def __init__(self) -> None:
        super().__init__()
        self.crashes = False

    def _add(self, change: Change) -> None:
        super()._add(change)
        if self.crashes:
            self._webhooks.pop(change.id, None)
            raise Crash


class AwayLedger(MemoryLedger):
    """A ledger that a delivery cannot reach while `is_away`; `refusals` counts its attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.refusals = 0

    async def pending_webhooks(self, now: float, limit: int, without: Collection[str]) -> Sequence[PendingWebhook]:
        self._refuse()
        return await super().pending_webhooks(now, limit, without)

    async def mark_delivered(self, change_ids: Collection[str]) -> None:
        self._refuse()
        await super().mark_delivered(change_ids)

    async def to_settle(self, now: float, limit: int) -> Mapping[str, str]:
        self._refuse()
        return await super().to_settle(now, limit)

    def _refuse(self) -> None:
        if self.is_away:
            self.refusals += 1
            raise LedgerUnavailable
