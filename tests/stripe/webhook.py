"""A webhook at the other end of a real socket, and a delivery that delivers to it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from actors.stripe.sandbox import Sandbox, WebhookDelivery
from actors.stripe.sandbox.endpoint import Endpoint
from actors.stripe.webhooks import read_event

SECRET = "whsec_test"
DEADLINE_SECONDS = 10


class Webhook:
    """Keeps what arrives; answers with `status`, and not at all while `is_silent`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.is_silent = False
        self.url = ""

    @property
    def types(self) -> list[str]:
        """What the events that arrived announce, in alphabetical order: Stripe promises no other."""
        return sorted(event["type"] for event in self.events)

    async def receive(self, request: web.Request) -> web.Response:
        """Keep a request."""
        self.requests.append(request)
        self.bodies.append(await request.read())
        self.events.append(json.loads(self.bodies[-1]))
        if self.is_silent:
            await asyncio.Event().wait()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    def verify(self, now: float) -> None:
        """Raises BadWebhookError unless everything that arrived was signed at about this time."""
        for request, raw in zip(self.requests, self.bodies, strict=True):
            read_event(raw, request.headers["Stripe-Signature"], SECRET, now)


@asynccontextmanager
async def serving(webhook: Webhook) -> AsyncIterator[Webhook]:
    """The webhook at a URL of its own."""
    application = web.Application()
    application.router.add_post("/webhook", webhook.receive)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    try:
        yield webhook
    finally:
        await runner.cleanup()


@asynccontextmanager
async def delivering(delivery: WebhookDelivery) -> AsyncIterator[None]:
    """The delivery at work."""
    running = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def delivery_to(webhook: Webhook, sandbox: Sandbox, **options: Any) -> WebhookDelivery:  # noqa: ANN401  # the delivery's own
    """A delivery that looks for events often."""
    return WebhookDelivery(sandbox, Endpoint(webhook.url, SECRET), **{"poll_seconds": 0.01, **options})


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true; it fails the test when it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
