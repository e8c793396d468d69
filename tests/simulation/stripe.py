"""Stripe in a simulation: the sandbox as it is, on a ledger in memory that is reached over the simulated network."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import Span
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, Event, IdempotencyRecord, Kind, PendingWebhook
from actors.stripe.sandbox.memory_ledger import MemoryLedger
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

    def _add(self, change: Change) -> None:
        before = self._intents.get(change.intent.id)
        super()._add(change)
        self.when_saved(before, change.intent)


class RemoteLedger:
    """See Ledger: the same one over the network. What it holds never awaits, so each operation is one instant."""

    def __init__(self, server: Caller, ledger: MemoryLedger) -> None:
        self._server = server
        self._ledger = ledger

    async def append(self, change: Change) -> bool:
        return await self._call(self._ledger.append, change)

    async def bind(self, use: IdempotencyRecord) -> bool:
        return await self._call(self._ledger.bind, use)

    async def use_of(self, key: str) -> IdempotencyRecord | None:
        return await self._call(self._ledger.use_of, key)

    async def load(self, intent_id: str) -> PaymentIntent | None:
        return await self._call(self._ledger.load, intent_id)

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        return await self._call(self._ledger.load_all, intent_ids)

    async def made(self, object_id: str) -> CreatedObject | None:
        return await self._call(self._ledger.made, object_id)

    async def listed(self, kind: Kind, span: Span) -> Sequence[CreatedObject]:
        return await self._call(self._ledger.listed, kind, span)

    async def to_settle(self, now: float, limit: int) -> Mapping[str, str]:
        return await self._call(self._ledger.to_settle, now, limit)

    async def mark_settled(self, change_ids: Collection[str]) -> None:
        await self._call(self._ledger.mark_settled, change_ids)

    async def pending_webhooks(self, now: float, limit: int, without: Collection[str]) -> Sequence[PendingWebhook]:
        return await self._call(self._ledger.pending_webhooks, now, limit, without)

    async def mark_delivered(self, change_ids: Collection[str]) -> None:
        await self._call(self._ledger.mark_delivered, change_ids)

    async def postpone(self, change_ids: Collection[str], due_at: float) -> None:
        await self._call(self._ledger.postpone, change_ids, due_at)

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

    def __init__(self, accept: Callable[[Event], Any]) -> None:
        """`accept` is awaited, and says whether a 2xx came back."""
        self._accept = accept

    def session(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def accepts(self, event: Event, _http: object, _now: float) -> bool:
        return bool(await self._accept(event))
