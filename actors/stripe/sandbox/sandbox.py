"""Stripe's front door: authentication, routes, and answering each idempotency key once and for all."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actors.stripe.sandbox import operations, shapes
from actors.stripe.sandbox.commands import (
    CancelIntent,
    CaptureIntent,
    Command,
    ConfirmIntent,
    CreateIntent,
    CreateRefund,
)
from actors.stripe.sandbox.failures import (
    KEY_IN_USE,
    KEY_TOO_LONG,
    KEY_WITH_OTHER_ENDPOINT,
    KEY_WITH_OTHER_PARAMETERS,
    NO_API_KEY,
    UNKNOWN_ROUTE,
    WRONG_API_KEY,
    RequestRefused,
    not_found,
)
from actors.stripe.sandbox.form import Form
from actors.stripe.sandbox.ids import IdFactory, random_id
from actors.stripe.sandbox.ledger import Claim, Ledger
from actors.stripe.sandbox.operations import Outcome
from actors.stripe.sandbox.payment_intent import Answer, PaymentIntent
from actors.stripe.sandbox.routes import Lookup, read_command, read_lookup

KEY_LENGTH = 255  # https://docs.stripe.com/api/idempotent_requests


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, taken apart. `method` is lower case; `path` has no query."""

    method: str
    path: str
    fields: Mapping[str, str]
    api_key: str | None
    idempotency_key: str | None


class Sandbox:
    """One account at Stripe whose money is imaginary, the same for every test key. `now` is in seconds since 1970."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], float] = time.time, ids: IdFactory = random_id) -> None:
        self._ledger = ledger
        self._now = now
        self._ids = ids
        self._keys_in_use: set[str] = set()

    async def answer(self, request: Request) -> Answer:
        """What Stripe would answer. Raises LedgerUnavailable; the same request may then be sent again."""
        try:
            _authenticate(request)
            if request.method == "post":
                return await self._change(request)
            return await self._look_up(request)
        except RequestRefused as refusal:
            return shapes.failure_answer(refusal.failure)

    async def _change(self, request: Request) -> Answer:
        order = read_command(request.path, Form(request.fields))
        if order is None:
            raise RequestRefused(UNKNOWN_ROUTE)
        key = request.idempotency_key or self._ids("key")
        if len(key) > KEY_LENGTH:
            raise RequestRefused(KEY_TOO_LONG)
        # In memory only: the lock must die with the process. Two processes with one key need no lock, because only
        # one of them can save its answer, and the other then finds that answer.
        if key in self._keys_in_use:
            raise RequestRefused(KEY_IN_USE)
        self._keys_in_use.add(key)
        try:
            return await self._change_once(key, request, order.command, order.object_id)
        finally:
            self._keys_in_use.discard(key)

    async def _change_once(self, key: str, request: Request, command: Command, object_id: str | None) -> Answer:
        fingerprint = hashlib.sha256(json.dumps(sorted(request.fields.items())).encode()).hexdigest()
        intent_id = command.intent_id if isinstance(command, CreateRefund) else object_id
        claim = Claim(key, request.path, fingerprint, intent_id or self._ids("pi"))
        holder = await self._ledger.claim(claim)
        if holder.endpoint != claim.endpoint:
            raise RequestRefused(KEY_WITH_OTHER_ENDPOINT)
        if holder.fingerprint != claim.fingerprint:
            raise RequestRefused(KEY_WITH_OTHER_PARAMETERS)
        while True:
            intent = await self._ledger.load(holder.intent_id)
            if intent and (saved := intent.answer_to(key)):
                return saved
            outcome = await self._carry_out(holder.intent_id, intent, command)
            answer = shapes.answer_of(outcome)
            # Another request may have changed the intent since it was loaded: then decide again on what it left.
            if await self._ledger.save(outcome.intent.next_version(key, answer)):
                return answer

    async def _carry_out(self, intent_id: str, intent: PaymentIntent | None, command: Command) -> Outcome:
        now = int(self._now())
        if isinstance(command, CreateIntent):
            return operations.create(intent_id, command, self._ids, now)
        if intent is None:
            raise RequestRefused(
                not_found("payment_intent", "payment_intent" if isinstance(command, CreateRefund) else "intent")
            )
        match command:
            case ConfirmIntent():
                return operations.confirm(intent, command, self._ids)
            case CaptureIntent():
                return operations.capture(intent, command)
            case CancelIntent():
                return operations.cancel(intent, now)
            case CreateRefund():
                outcome = operations.refund(intent, command, self._ids("re"), now)
                if outcome.refund:
                    await self._ledger.note_refund(outcome.refund.id, intent.id)
                return outcome

    async def _look_up(self, request: Request) -> Answer:
        match read_lookup(request.path):
            case Lookup("intent", intent_id):
                if intent := await self._ledger.load(intent_id):
                    return shapes.intent_answer(intent)
                raise RequestRefused(not_found("payment_intent", "intent"))
            case Lookup("refund", refund_id):
                return await self._refund(refund_id)
            case _:
                raise RequestRefused(UNKNOWN_ROUTE)

    async def _refund(self, refund_id: str) -> Answer:
        intent_id = await self._ledger.intent_of_refund(refund_id)
        intent = await self._ledger.load(intent_id) if intent_id else None
        for refund in intent.refunds if intent else ():
            if intent and refund.id == refund_id:
                return shapes.refund_answer(refund, intent)
        raise RequestRefused(not_found("refund", "id"))


def _authenticate(request: Request) -> None:
    if not request.api_key:
        raise RequestRefused(NO_API_KEY)
    # A live key must never be sent to a sandbox; say so instead of working with it.
    if not request.api_key.startswith("sk_test_"):
        raise RequestRefused(WRONG_API_KEY)
