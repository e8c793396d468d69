"""The seam between the official SDK and the sandbox: what would go over the network ends here."""

import asyncio
from collections.abc import Awaitable, Mapping
from urllib.parse import urlsplit

import stripe
from multidict import CIMultiDict

from actors.stripe.sandbox.failures import KEY_IN_USE, TOO_MANY_REQUESTS
from actors.stripe.sandbox.form import fields_of
from actors.stripe.sandbox.ids import IdFactory, random_id
from actors.stripe.sandbox.ledger import LedgerUnavailable
from actors.stripe.sandbox.payment_intent import Answer
from actors.stripe.sandbox.request import Request
from actors.stripe.sandbox.sandbox import Sandbox
from actors.stripe.sandbox.serializers import failure_answer

TIMEOUT_SECONDS = 10.0


class SandboxHTTPClient(stripe.HTTPClient):
    """Hands the SDK's requests to a sandbox, with the faults of its plan.

    Asynchronous and without streams; the rest raises NotImplementedError.
    """

    name = "sandbox"

    def __init__(
        self, sandbox: Sandbox, *, timeout_seconds: float = TIMEOUT_SECONDS, ids: IdFactory = random_id
    ) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._timeout_seconds = timeout_seconds
        self._ids = ids

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Body, status and headers of the answer. Raises APIConnectionError as a network would: outcome unknown."""
        parts = urlsplit(url)
        received = CIMultiDict(headers)
        request = Request(
            method=method.lower(),
            path=parts.path,
            fields=fields_of(post_data or parts.query),
            api_key=_bearer(received.get("Authorization")),
            idempotency_key=received.get("Idempotency-Key"),
            id=self._ids("req"),
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._answer(request)
        except (LedgerUnavailable, TimeoutError, ConnectionResetError) as error:
            message = "The sandbox did not answer"
            raise stripe.APIConnectionError(message) from error  # type: ignore[no-untyped-call]  # untyped in the SDK
        # The SDK looks headers up in either case, as it can with the headers of a real HTTP library.
        sent: CIMultiDict[str] = CIMultiDict({"Content-Type": "application/json", "Request-Id": request.id})
        if "Stripe-Version" in received:
            sent["Stripe-Version"] = received["Stripe-Version"]
        if request.idempotency_key is not None:
            sent["Idempotency-Key"] = request.idempotency_key
        if answer.replayed:
            sent["Idempotent-Replayed"] = "true"
        return answer.body.encode(), answer.status, sent

    async def _answer(self, request: Request) -> Answer:
        plan, strikes = await self._sandbox.faults.plan(), self._sandbox.faults.strikes
        if strikes(plan.delay):
            await asyncio.sleep(plan.delay_seconds)
        if strikes(plan.connection_reset):
            raise ConnectionResetError
        if strikes(plan.rate_limit):
            return failure_answer(TOO_MANY_REQUESTS)
        if request.method != "post":
            return await self._sandbox.answer(request)
        if strikes(plan.conflict):
            return failure_answer(KEY_IN_USE)
        answer = await self._sandbox.answer(request, breaks=strikes(plan.server_error))
        if strikes(plan.lost_answer):
            raise ConnectionResetError
        return answer

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """Used by the SDK between its retries."""
        return asyncio.sleep(secs)

    def close(self) -> None:
        """There is nothing to close."""

    async def close_async(self) -> None:
        """There is nothing to close: the ledger belongs to whoever opened it."""


def _bearer(authorization: str | None) -> str | None:
    scheme, _, api_key = (authorization or "").partition(" ")
    return api_key if scheme.lower() == "bearer" else None
