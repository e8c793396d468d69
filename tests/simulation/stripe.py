"""Stripe in a simulation: the sandbox as it is, on a ledger in memory that is reached over the simulated network."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import Claim, Span
from actors.stripe.sandbox.memory_ledger import MemoryLedger
from actors.stripe.sandbox.notes import EventNote, PartKind, PartNote
from actors.stripe.sandbox.payment_intent import PaymentIntent
from tests.simulation.stores import Caller

P = ParamSpec("P")
T = TypeVar("T")


class WatchedLedger(MemoryLedger):
    """Tells of every intent that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.when_saved: Callable[[PaymentIntent | None, PaymentIntent], None] = lambda _before, _after: None

    @property
    def all_intents(self) -> list[PaymentIntent]:
        return list(self._intents.values())

    async def save(self, intent: PaymentIntent) -> bool:
        before = self._intents.get(intent.id)
        saved = await super().save(intent)
        if saved:
            self.when_saved(before, intent)
        return saved


class RemoteLedger:
    """See Ledger: the same one over the network. What it holds never awaits, so each operation is one instant."""

    def __init__(self, server: Caller, ledger: MemoryLedger) -> None:
        self._server = server
        self._ledger = ledger

    async def claim(self, claim: Claim) -> Claim:
        return await self._call(self._ledger.claim, claim)

    async def load(self, intent_id: str) -> PaymentIntent | None:
        return await self._call(self._ledger.load, intent_id)

    async def save(self, intent: PaymentIntent) -> bool:
        return await self._call(self._ledger.save, intent)

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        return await self._call(self._ledger.load_all, intent_ids)

    async def intents(self, span: Span) -> Sequence[PaymentIntent]:
        return await self._call(self._ledger.intents, span)

    async def intents_to_settle(self, now: float, limit: int) -> Sequence[str]:
        return await self._call(self._ledger.intents_to_settle, now, limit)

    async def note_parts(self, parts: Sequence[PartNote]) -> None:
        await self._call(self._ledger.note_parts, parts)

    async def part(self, part_id: str) -> PartNote | None:
        return await self._call(self._ledger.part, part_id)

    async def parts(self, kind: PartKind, span: Span) -> Sequence[PartNote]:
        return await self._call(self._ledger.parts, kind, span)

    async def note_events(self, events: Sequence[EventNote]) -> None:
        await self._call(self._ledger.note_events, events)

    async def due_events(self, now: float, limit: int, without: Collection[str]) -> Sequence[EventNote]:
        return await self._call(self._ledger.due_events, now, limit, without)

    async def remove_events(self, event_ids: Sequence[str]) -> None:
        await self._call(self._ledger.remove_events, event_ids)

    async def postpone_events(self, event_ids: Sequence[str], due_at: float) -> None:
        await self._call(self._ledger.postpone_events, event_ids, due_at)

    async def faults(self) -> FaultPlan | None:
        return await self._ledger.faults()

    async def set_faults(self, plan: FaultPlan | None) -> None:
        await self._ledger.set_faults(plan)

    async def _call(self, operation: Callable[P, Coroutine[Any, Any, T]], *given: P.args, **named: P.kwargs) -> T:
        return await self._server.call(f"stripe.{operation.__name__}", lambda: _at_once(operation(*given, **named)))


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that awaits nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("a ledger in memory awaits nothing")


class SimulatedEndpoint:
    """See sandbox.endpoint.Endpoint: our webhook, without HTTP."""

    def __init__(self, accept: Callable[[EventNote], Any]) -> None:
        """`accept` is awaited, and says whether a 2xx came back."""
        self._accept = accept

    def session(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def accepts(self, event: EventNote, _http: object, _now: float) -> bool:
        return bool(await self._accept(event))
