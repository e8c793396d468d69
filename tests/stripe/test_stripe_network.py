"""Our client over the network: what a broken or odd answer means."""

import asyncio
import gc
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import stripe as sdk
from aiohttp import web

from actors.stripe import Stripe, connect
from actors.stripe.client import API_VERSION
from actors.stripe.errors import (
    AuthenticationFailed,
    CardDeclined,
    InvalidState,
    KeyReused,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerFailed,
    StripeFailure,
    UnknownPaymentMethod,
)
from actors.stripe.sandbox import Ledger, LedgerUnavailable, MemoryLedger, Sandbox, SandboxHTTPClient
from actors.stripe.sandbox.payment_intent import PaymentIntent

SECRET_KEY = "sk_test_verySecret"
# The SDK leaves a connection to the garbage collector when the body of an answer cannot be read.
LEAVES_A_CONNECTION = pytest.mark.filterwarnings("ignore:.*Connection")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A stand-in for Stripe at the other end of a real socket; a test says how it answers."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []
        self.handler: Handler = self._silent

    def answers(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        async def handler(_request: web.Request) -> web.Response:
            return web.Response(status=status, text=body, headers=headers)

        self.handler = handler

    def refuses(self, status: int, **error: str) -> None:
        self.answers(status, json.dumps({"error": error}), {"Request-Id": "req_1"})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.text())
        return await self.handler(request)

    async def _silent(self, _request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def stripe(server: Server) -> AsyncIterator[Stripe]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = connect(
        api_key=SECRET_KEY,
        api_base=f"http://127.0.0.1:{runner.addresses[0][1]}",
        http_client=sdk.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=0.3)),
    )
    yield client
    await client.aclose()
    await runner.cleanup()


async def create(stripe: Stripe, payment_method: str = "pm_card_visa") -> object:
    return await stripe.create_intent(
        amount=5000,
        currency="usd",
        payment_method=payment_method,
        metadata={"orderId": "1"},
        idempotency_key="charge:1:create:1",
    )


async def failure_of(request: Awaitable[object]) -> StripeFailure:
    with pytest.raises(StripeFailure) as raised:
        await request
    return raised.value


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (401, {"type": "invalid_request_error"}, AuthenticationFailed),
        (403, {"type": "invalid_request_error", "code": "secret_key_required"}, AuthenticationFailed),
        (402, {"type": "card_error", "code": "card_declined"}, CardDeclined),
        (400, {"type": "idempotency_error"}, KeyReused),
        (400, {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}, InvalidState),
        (400, {"type": "invalid_request_error", "code": "charge_expired_for_capture"}, InvalidState),
        (
            400,
            {"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"},
            UnknownPaymentMethod,
        ),
        (400, {"type": "invalid_request_error", "param": "payment_method_data[card][token]"}, Rejected),
        (400, {"type": "invalid_request_error", "code": "amount_too_small", "param": "amount"}, Rejected),
        (400, {"type": "invalid_request_error", "param": "payment_method_types"}, Rejected),
        (404, {"type": "invalid_request_error", "code": "resource_missing", "param": "intent"}, NotFound),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, OutcomeUnknown),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, RateLimited),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, RateLimited),
        (500, {"type": "api_error"}, ServerFailed),
        (503, {"type": "api_error"}, ServerFailed),
    ],
)
async def test_each_error_answer_is_one_kind_of_failure(
    server: Server, stripe: Stripe, status: int, error: dict[str, str], expected: type[StripeFailure]
) -> None:
    server.refuses(status, **error)
    failure = await failure_of(create(stripe))
    assert type(failure) is expected
    assert failure.code == error.get("code")
    assert failure.request_id == "req_1"
    assert failure.definite is not issubclass(expected, OutcomeUnknown)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 502])
async def test_an_answer_that_is_not_stripes_proves_nothing(server: Server, stripe: Stripe, status: int) -> None:
    server.answers(status, "<html>a proxy</html>")
    assert type(await failure_of(create(stripe))) is OutcomeUnknown


async def test_silence_is_an_unknown_outcome(stripe: Stripe) -> None:
    assert type(await failure_of(create(stripe))) is OutcomeUnknown


@LEAVES_A_CONNECTION
async def test_an_answer_that_stops_half_way_is_an_unknown_outcome(server: Server, stripe: Stripe) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"id": "pi_1"')
        assert request.transport is not None
        request.transport.close()
        return response

    server.handler = handler
    assert type(await failure_of(create(stripe))) is OutcomeUnknown
    gc.collect()


@LEAVES_A_CONNECTION
async def test_an_answer_whose_body_never_comes_is_an_unknown_outcome(server: Server, stripe: Stripe) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse(headers={"Content-Length": "1000"}).prepare(request)
        await asyncio.Event().wait()
        raise AssertionError

    server.handler = handler
    assert type(await failure_of(create(stripe))) is OutcomeUnknown
    gc.collect()


async def test_a_refused_connection_is_an_unknown_outcome() -> None:
    stripe = connect(api_key=SECRET_KEY, api_base="http://127.0.0.1:1")
    assert type(await failure_of(create(stripe))) is OutcomeUnknown
    await stripe.aclose()


async def test_a_client_that_was_never_used_can_be_closed() -> None:
    await connect(api_key=SECRET_KEY, api_base=None).aclose()


async def test_a_failed_request_is_not_sent_again_by_the_sdk(server: Server, stripe: Stripe) -> None:
    server.refuses(500, type="api_error")
    await failure_of(create(stripe))
    assert len(server.requests) == 1


async def test_requests_carry_the_pinned_version_and_the_idempotency_key(server: Server, stripe: Stripe) -> None:
    server.refuses(500, type="api_error")
    await failure_of(create(stripe))
    headers = server.requests[0].headers
    assert headers["Stripe-Version"] == API_VERSION
    assert headers["Idempotency-Key"] == "charge:1:create:1"


async def test_requests_carry_nothing_about_this_machine(server: Server, stripe: Stripe) -> None:
    server.refuses(500, type="api_error")
    for _ in range(2):
        await failure_of(create(stripe))
        headers = server.requests.pop().headers
        assert "X-Stripe-Client-Telemetry" not in headers
        assert not {"telemetry_id", "platform"} & json.loads(headers["X-Stripe-Client-User-Agent"]).keys()


def test_the_pinned_version_is_the_one_the_sdk_was_made_for() -> None:
    from stripe._api_version import _ApiVersion  # noqa: PLC0415  # private; only this test may know it

    assert API_VERSION == _ApiVersion.CURRENT


async def test_tokens_are_sent_as_card_data_and_payment_methods_as_they_are(server: Server, stripe: Stripe) -> None:
    server.refuses(500, type="api_error")
    await failure_of(create(stripe, "tok_visa"))
    await failure_of(create(stripe, "pm_card_visa"))
    token, payment_method = server.bodies
    assert "payment_method_data[type]=card&payment_method_data[card][token]=tok_visa" in token
    assert "payment_method=pm_card_visa" in payment_method
    assert "allowed_payment_method_types[0]=card" in payment_method
    assert "capture_method=manual" in payment_method
    assert "confirm" not in payment_method


async def test_neither_failures_nor_logs_show_secrets(
    server: Server, stripe: Stripe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.refuses(402, type="card_error", code="card_declined", message="pm_card_private pi_1_secret_2")
    failure = await failure_of(create(stripe, "pm_card_private"))
    shown = "".join(traceback.format_exception(failure)) + repr(failure) + str(failure) + caplog.text
    assert "card_declined" in shown
    for secret in ("pm_card_private", "pi_1_secret_2", SECRET_KEY, "charge:1:create:1"):
        assert secret not in shown
    assert failure.__context__ is None


@pytest.mark.parametrize("failure", [CardDeclined("card_declined", "lost_card", "req_1"), NotFound("x", "req_1")])
def test_failures_travel_between_processes(failure: StripeFailure) -> None:
    arrived: Any = pickle.loads(pickle.dumps(failure))  # noqa: S301  # our own bytes
    assert (type(arrived), vars(arrived)) == (type(failure), vars(failure))


class AwayLedger(MemoryLedger):
    """A ledger that cannot be reached."""

    async def load(self, intent_id: str) -> PaymentIntent | None:  # noqa: ARG002  # the ledger's signature
        raise LedgerUnavailable


class HangingLedger(MemoryLedger):
    """A ledger that never answers."""

    async def load(self, intent_id: str) -> PaymentIntent | None:  # noqa: ARG002  # the ledger's signature
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("broken", [AwayLedger(), HangingLedger()])
async def test_a_sandbox_without_its_ledger_is_like_a_broken_network(broken: Ledger) -> None:
    http_client = SandboxHTTPClient(Sandbox(broken), timeout_seconds=0.05)
    stripe = connect(api_key=SECRET_KEY, api_base=None, http_client=http_client)
    assert type(await failure_of(stripe.retrieve("pi_1"))) is OutcomeUnknown


async def test_a_live_key_is_refused_by_the_sandbox() -> None:
    stripe = connect(api_key="sk_live_x", api_base=None, http_client=SandboxHTTPClient(Sandbox(MemoryLedger())))
    assert type(await failure_of(stripe.retrieve("pi_1"))) is AuthenticationFailed
