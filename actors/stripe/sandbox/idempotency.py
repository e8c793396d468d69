"""Carrying out each POST once and for all: its key is bound to it, and its answer is saved with what it changed.

https://docs.stripe.com/api/idempotent_requests
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

from actors.stripe.sandbox import shapes
from actors.stripe.sandbox.carrying_out import Circumstances, carry_out
from actors.stripe.sandbox.changes import Changes
from actors.stripe.sandbox.commands import CreateRefund, EndDispute
from actors.stripe.sandbox.events import Cause
from actors.stripe.sandbox.failures import (
    KEY_IN_USE,
    KEY_TOO_LONG,
    KEY_WITH_OTHER_ENDPOINT,
    KEY_WITH_OTHER_PARAMETERS,
    SERVER_ERROR,
    RequestRefused,
    not_found,
)
from actors.stripe.sandbox.ids import IdFactory
from actors.stripe.sandbox.ledger import Claim, Ledger
from actors.stripe.sandbox.payment_intent import Answer, SavedAnswer
from actors.stripe.sandbox.request import Request
from actors.stripe.sandbox.routes import Order

KEY_LENGTH = 255


class OnceOnly:
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
        # one of them can save its answer, and the other then finds that answer.
        if key in self._keys_in_use:
            raise RequestRefused(KEY_IN_USE)
        self._keys_in_use.add(key)
        try:
            fingerprint = hashlib.sha256(json.dumps(sorted(request.fields.items())).encode()).hexdigest()
            claim = Claim(key, request.path, fingerprint, await self._intent_id(order), breaks)
            holder = await self._ledger.claim(claim)
            _refuse_another_use(holder, claim)
            if holder.broken:
                return replace(shapes.failure_answer(SERVER_ERROR), replayed=holder is not claim)
            return await self._carry_out(holder, request, order)
        finally:
            self._keys_in_use.discard(key)

    async def _intent_id(self, order: Order) -> str:
        match order.command:
            case CreateRefund(intent_id):
                return intent_id
            case EndDispute():
                note = await self._ledger.part(order.object_id or "")
                if note is None:
                    raise RequestRefused(not_found("dispute", "dispute"))
                return note.intent_id
            case _:
                return order.object_id or self._ids("pi")

    async def _carry_out(self, holder: Claim, request: Request, order: Order) -> Answer:
        while True:
            intent = await self._ledger.load(holder.intent_id)
            if intent and (saved := intent.answer_to(holder.key)):
                return saved
            now = self._now()
            given = Circumstances(self._ids, now, now + self._settle_seconds)
            outcome = carry_out(order, holder.intent_id, intent, given)
            answer = shapes.answer_of(outcome)
            to_save = SavedAnswer(holder.key, answer.status, answer.body)
            cause = Cause(now, request.id, request.idempotency_key)
            # Another request may have changed the intent since it was loaded: then decide again on what it left.
            if await self._changes.write(intent, outcome.intent, cause, to_save):
                return answer


def _refuse_another_use(holder: Claim, claim: Claim) -> None:
    if holder.endpoint != claim.endpoint:
        raise RequestRefused(KEY_WITH_OTHER_ENDPOINT)
    if holder.fingerprint != claim.fingerprint:
        raise RequestRefused(KEY_WITH_OTHER_PARAMETERS)
