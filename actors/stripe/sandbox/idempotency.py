"""Carrying out each POST once and for all: its key and its answer are written with what it changed.

https://docs.stripe.com/api/idempotent_requests
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial

from actors.stripe.sandbox import serializers
from actors.stripe.sandbox.commands import ConfirmIntent, CreateIntent, CreateRefund, EndDispute
from actors.stripe.sandbox.events import Cause
from actors.stripe.sandbox.execution import Circumstances, execute
from actors.stripe.sandbox.failures import (
    KEY_IN_USE,
    KEY_TOO_LONG,
    KEY_WITH_OTHER_ENDPOINT,
    KEY_WITH_OTHER_PARAMETERS,
    SERVER_ERROR,
    USED_BEFORE,
    RequestRefused,
    not_found,
)
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.ledger import Ledger
from actors.stripe.sandbox.ledger_entry import IdempotencyRecord
from actors.stripe.sandbox.ledger_writer import Changes
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import Answer, PaymentIntent
from actors.stripe.sandbox.request import Request
from actors.stripe.sandbox.routes import Order

KEY_LENGTH = 255


class IdempotentExecutor:
    """Every method may raise RequestRefused, whose answer is not saved, and LedgerUnavailable."""

    def __init__(
        self, ledger: Ledger, changes: Changes, *, now: Callable[[], float], ids: IdFactory, settle_seconds: float
    ) -> None:
        self._ledger = ledger
        self._changes = changes
        self._now = now
        self._ids = ids
        self._settle_seconds = settle_seconds
        self._keys_in_use: set[str] = set()

    async def answer(self, request: Request, order: Order, *, breaks: bool) -> Answer:
        """The answer to the request's key. When it `breaks`, an unused key stands for a 500 from now on."""
        key = request.idempotency_key or self._ids("key")
        if len(key) > KEY_LENGTH:
            raise RequestRefused(KEY_TOO_LONG)
        # In memory only: the lock must die with the process. Two processes with one key need no lock, because only
        # one of them can write under it, and the other then finds that answer.
        if key in self._keys_in_use:
            raise RequestRefused(KEY_IN_USE)
        self._keys_in_use.add(key)
        try:
            return await self._once(key, request, order, breaks=breaks)
        finally:
            self._keys_in_use.discard(key)

    async def _once(self, key: str, request: Request, order: Order, *, breaks: bool) -> Answer:
        fingerprint = hashlib.sha256(json.dumps(sorted(request.fields.items())).encode()).hexdigest()
        bound = partial(IdempotencyRecord, key, request.path, fingerprint)
        while True:
            # Carried out before it is known whether the key is free: nothing counts until it is written, and what is
            # written under a key that was used before is refused by the ledger. So a request costs one write.
            if breaks:
                answer = serializers.failure_answer(SERVER_ERROR)
                is_written = await self._ledger.bind(bound(answer.status, answer.body))
            else:
                now = self._now()
                intent = await self._intent(order)
                outcome = execute(order, intent, Circumstances(self._ids, now, now + self._settle_seconds))
                if intent and isinstance(order.command, ConfirmIntent) and await self._is_used(outcome.intent):
                    outcome = Outcome(intent, USED_BEFORE)
                answer = serializers.answer_of(outcome)
                cause = Cause(now, request.id, request.idempotency_key)
                is_written = await self._changes.write(intent, outcome.intent, cause, bound(answer.status, answer.body))
            if is_written:
                return answer
            if earlier := await self._ledger.use_of(key):
                _refuse_another_use(earlier, request.path, fingerprint)
                return Answer(earlier.status, earlier.body, replayed=True)
            # Another request changed the intent since it was read: decide again on what it left.

    async def _is_used(self, intent: PaymentIntent) -> bool:
        """Whether another intent had the payment method that is good for one. From now on this one has it."""
        if intent.single_use is None:
            return False
        use = IdempotencyRecord(f"payment method:{intent.single_use}", intent.id, "", 0, "")
        if await self._ledger.bind(use):
            return False
        earlier = await self._ledger.use_of(use.key)
        return earlier is not None and earlier.endpoint != intent.id

    async def _intent(self, order: Order) -> PaymentIntent | None:
        match order.command:
            case CreateIntent():
                return None
            case CreateRefund(intent_id):
                return await self._changes.newest(intent_id)
            case EndDispute():
                # Not from memory: a dispute that this process does not know of yet would be refused without a write.
                made = await self._ledger.made(order.object_id or "")
                if made is None:
                    raise RequestRefused(not_found("dispute", "dispute"))
                return await self._ledger.load(made.intent_id)
            case _:
                return await self._changes.newest(order.object_id or "")


def _refuse_another_use(earlier: IdempotencyRecord, endpoint: str, fingerprint: str) -> None:
    if earlier.endpoint != endpoint:
        raise RequestRefused(KEY_WITH_OTHER_ENDPOINT)
    if earlier.fingerprint != fingerprint:
        raise RequestRefused(KEY_WITH_OTHER_PARAMETERS)
