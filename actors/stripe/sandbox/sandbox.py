"""Stripe's front door: authentication and routes, and what happens without a request."""

import time
from collections.abc import Callable, Collection
from random import Random

from actors.stripe.sandbox import serializers
from actors.stripe.sandbox.authentication import authenticated, intent_id_of
from actors.stripe.sandbox.commands import ConfirmIntent
from actors.stripe.sandbox.events import HANDLED_EVENT_TYPES
from actors.stripe.sandbox.failures import (
    NO_API_KEY,
    PUBLISHABLE_KEY,
    UNKNOWN_ROUTE,
    WRONG_API_KEY,
    RequestRefused,
)
from actors.stripe.sandbox.fault_injector import FaultInjector
from actors.stripe.sandbox.form import Form
from actors.stripe.sandbox.idempotency import IdempotentExecutor
from actors.stripe.sandbox.ids import IdFactory, random_id
from actors.stripe.sandbox.ledger import Ledger
from actors.stripe.sandbox.ledger_entry import PendingWebhook
from actors.stripe.sandbox.ledger_writer import Changes
from actors.stripe.sandbox.lookups import Lookups
from actors.stripe.sandbox.payment_intent import Answer
from actors.stripe.sandbox.request import Request
from actors.stripe.sandbox.routes import Lookup, Order, read_command, read_lookup
from actors.stripe.sandbox.settlements import settled

SETTLE_SECONDS = 2.0
SETTLED_AT_ONCE = 100


class Sandbox:
    """One account at Stripe whose money is imaginary, the same for every test key.

    `now` is in seconds since 1970. What Stripe's test cards do later they do `settle_seconds` later. `random` draws the
    faults of the ledger's plan.
    """

    def __init__(  # noqa: PLR0913 - the seams of the sandbox
        self,
        ledger: Ledger,
        *,
        now: Callable[[], float] = time.time,
        ids: IdFactory = random_id,
        settle_seconds: float = SETTLE_SECONDS,
        random: Random | None = None,
        event_types: Collection[str] = HANDLED_EVENT_TYPES,
    ) -> None:
        """`event_types` are those that somebody handles; events of others are not kept."""
        self.ledger = ledger
        self.now = now
        self.faults = FaultInjector(ledger, now, random or Random())  # noqa: S311  # for faults, not for secrets
        self._ids = ids
        self._settle_seconds = settle_seconds
        self._changes = Changes(ledger, now, ids, event_types)
        self._once_only = IdempotentExecutor(ledger, self._changes, now=now, ids=ids, settle_seconds=settle_seconds)
        self._lookups = Lookups(ledger)

    def when_announced(self, listener: Callable[[PendingWebhook], None]) -> None:
        """Have a function called with what each change of this process announces, once that is in the ledger."""
        self._changes.when_announced(listener)

    async def answer(self, request: Request, *, breaks: bool = False) -> Answer:
        """What Stripe would answer. Raises LedgerUnavailable; the same request may then be sent again.

        A POST that `breaks` does nothing, and its key stands for a 500 from now on.
        """
        try:
            is_browser = _authenticate(request)
            if request.method == "post":
                if order := read_command(request.path, Form(request.fields)):
                    _permit(order, is_browser=is_browser)
                    return await self._once_only.answer(request, order, breaks=breaks)
            elif lookup := read_lookup(request.path):
                _permit(lookup, is_browser=is_browser)
                return await self._lookups.answer(lookup, request.path, request.fields)
            return serializers.failure_answer(UNKNOWN_ROUTE)
        except RequestRefused as refusal:
            return serializers.failure_answer(refusal.failure)

    async def authenticate(self, client_secret: str, *, succeeds: bool) -> None:
        """What the buyer does in their bank's dialog: prove who they are, or fail to. The client secret permits it.

        Raises NothingToAuthenticateError when no intent with this secret waits for that, and LedgerUnavailable.
        """
        settled_at = self.now() + self._settle_seconds
        await self._changes.decide(
            intent_id_of(client_secret),
            lambda intent: authenticated(intent, client_secret, self._ids, settled_at, succeeds=succeeds),
        )

    async def settle_due(self) -> None:
        """Let happen what is due without a request. Harmless to repeat, also at once. Raises LedgerUnavailable."""
        now = self.now()
        while due := await self.ledger.to_settle(now, SETTLED_AT_ONCE):
            for intent_id in due.values():
                # Another process may have settled it meanwhile; then there is nothing left to do.
                await self._changes.decide(intent_id, lambda intent: intent and settled(intent, self._ids, now))
            await self.ledger.mark_settled(due)


def _permit(wanted: Order | Lookup, *, is_browser: bool) -> None:
    """Refuses what no publishable key may do. The client secret of an intent permits its confirmation."""
    match wanted:
        case Order(command=ConfirmIntent(client_secret=str())):
            return
    if is_browser:
        raise RequestRefused(PUBLISHABLE_KEY)


def _authenticate(request: Request) -> bool:
    """Whether a browser asks, with the publishable key."""
    key = request.api_key or request.fields.get("key")
    if not key:
        raise RequestRefused(NO_API_KEY)
    # A live key must never be sent to a sandbox; say so instead of working with it.
    if not key.startswith(("sk_test_", "pk_test_")):
        raise RequestRefused(WRONG_API_KEY)
    return key.startswith("pk_test_")
