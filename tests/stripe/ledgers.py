"""Ledgers in memory that go wrong, or have a protection off."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from actors.stripe.sandbox import LedgerUnavailable, MemoryLedger
from actors.stripe.sandbox.ledger import Claim
from actors.stripe.sandbox.notes import EventNote
from actors.stripe.sandbox.payment_intent import PaymentIntent


class InterleavingLedger(MemoryLedger):
    """Lets other tasks run before every operation, as a database does."""

    async def claim(self, claim: Claim) -> Claim:
        await asyncio.sleep(0)
        return await super().claim(claim)

    async def load(self, intent_id: str) -> PaymentIntent | None:
        await asyncio.sleep(0)
        return await super().load(intent_id)

    async def save(self, intent: PaymentIntent) -> bool:
        await asyncio.sleep(0)
        return await super().save(intent)


class UnguardedLedger(InterleavingLedger):
    """A ledger with the protection off: the last writer wins."""

    async def save(self, intent: PaymentIntent) -> bool:
        await asyncio.sleep(0)
        self._intents[intent.id] = intent
        return True


class Crash(BaseException):
    """The end of a process."""


class CrashingLedger(MemoryLedger):
    """The process dies at a save, counted from 1: right after it, or right before."""

    def __init__(self, *, at: int, saves_first: bool) -> None:
        super().__init__()
        self._saves_left = at
        self._saves_first = saves_first

    async def save(self, intent: PaymentIntent) -> bool:
        self._saves_left -= 1
        if self._saves_left != 0:
            return await super().save(intent)
        if self._saves_first:
            await super().save(intent)
        raise Crash


class SaveFirstLedger(MemoryLedger):
    """A ledger with the order turned round: what is noted about a change is written after the change."""

    def __init__(self, *, crashes: bool = False) -> None:
        super().__init__()
        self._noted: list[EventNote] = []
        self.crashes = crashes

    async def note_events(self, events: Sequence[EventNote]) -> None:
        self._noted.extend(events)

    async def save(self, intent: PaymentIntent) -> bool:
        saved = await super().save(intent)
        if self.crashes:
            raise Crash
        await super().note_events(self._noted)
        self._noted.clear()
        return saved


class CredulousLedger(InterleavingLedger):
    """A ledger with the protection off: whatever was noted seems to have been saved."""

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        intents = await super().load_all(intent_ids)
        noted = tuple(event.change_id for event in self._events.values())
        return {one: replace(intent, changes=noted) for one, intent in intents.items()}


class AwayLedger(MemoryLedger):
    """A ledger that a courier cannot reach while `is_away`; `refusals` counts its attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.refusals = 0

    async def due_events(self, now: float, limit: int, without: Collection[str]) -> Sequence[EventNote]:
        self._refuse()
        return await super().due_events(now, limit, without)

    async def remove_events(self, event_ids: Sequence[str]) -> None:
        self._refuse()
        await super().remove_events(event_ids)

    async def intents_to_settle(self, now: float, limit: int) -> Sequence[str]:
        self._refuse()
        return await super().intents_to_settle(now, limit)

    def _refuse(self) -> None:
        if self.is_away:
            self.refusals += 1
            raise LedgerUnavailable
