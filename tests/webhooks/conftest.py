"""Endpoints and deliveries in a database of their own, receivers that really listen, and a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from bson import ObjectId

from actors.domain.instants import Instant
from actors.storage.database import Database, connect, database_of
from actors.storage.users import User, Users
from actors.storage.webhook_deliveries import WebhookDeliveries
from actors.storage.webhook_endpoints import WebhookEndpoints
from actors.webhooks.backlog import Backlog
from actors.webhooks.delivery import Delivery, new_delivery
from actors.webhooks.dispatcher import Dispatcher
from actors.webhooks.endpoint import Audience, DisabledReason, Endpoint
from actors.webhooks.feed import WebhookFeed
from actors.webhooks.http_client import WebhookClient
from actors.webhooks.payloads import payload
from actors.webhooks.signing import new_secret

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """A server of somebody who subscribed. It keeps what it got, and answers as it is told."""

    answer: Answer
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return await self.answer(request)


def says(status: int, text: str = "", **headers: str) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, text=text, headers={name.replace("_", "-"): headers[name] for name in headers}
        )

    return answer


@dataclass
class Webhooks:
    """Everything but the market."""

    database: Database
    endpoints: WebhookEndpoints
    deliveries: WebhookDeliveries
    stack: AsyncExitStack
    now: Instant
    client: WebhookClient
    disabled: list[tuple[str, DisabledReason]] = field(default_factory=list)
    dispatchers: list[Dispatcher] = field(default_factory=list)

    def dispatcher(self, **more: int) -> Dispatcher:
        made = Dispatcher(
            self.endpoints, self.deliveries, self.client, lambda: self.now, self.tell, jitter=lambda: 0.0, **more
        )
        self.dispatchers.append(made)
        return made

    def feed(self, **more: int) -> WebhookFeed:
        backlog = Backlog(self.endpoints, self.deliveries, lambda: self.now, self.tell, **more)
        return WebhookFeed(self.endpoints, self.deliveries, backlog, lambda: self.now)

    async def tell(self, endpoint: Endpoint, reason: DisabledReason, _at: Instant) -> None:
        self.disabled.append((endpoint.id, reason))

    async def owner(self, *, is_admin: bool = False) -> str:
        users = Users(self.database)
        user_id = str(ObjectId())
        assert await users.add(User(user_id, f"{user_id}@example.com", "no hash", self.now))
        if is_admin:
            await users.set_admin(user_id, self.now, is_admin=True)
        return user_id

    async def endpoint(self, url: str, owner_id: str = "", *patterns: str, market: bool = False) -> Endpoint:
        owner_id = owner_id or await self.owner(is_admin=market)
        audience = Audience.MARKET if market else Audience.SELLER
        made = Endpoint(
            str(ObjectId()), owner_id, url, patterns or (">",), audience, new_secret(), self.now, self.now
        )  # fmt: skip
        assert await self.endpoints.add(made)
        return made

    async def receiver(self, answer: Answer) -> Receiver:
        receiver = Receiver(answer)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", receiver.receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        return receiver

    async def deliver(self, endpoint: Endpoint, *names: str) -> list[Delivery]:
        """Have events of these names sent to the endpoint."""
        made = [
            new_delivery(endpoint.id, name, "order.created", payload("order.created", self.now, {}), self.now)
            for name in names
        ]
        await self.deliveries.add(made)
        await self.endpoints.wake([endpoint.id], self.now)
        return made

    async def sweep(self, dispatcher: Dispatcher | None = None) -> None:
        """Send what is due, and wait for it."""
        dispatcher = dispatcher or self.dispatcher()
        await dispatcher.sweep()
        await dispatcher.idle()

    async def again(self, endpoint: Endpoint) -> Endpoint:
        found = await self.endpoints.by_id(endpoint.id)
        assert found is not None
        return found

    async def one(self, delivery: Delivery) -> Delivery:
        found = await self.deliveries.by_id(delivery.id)
        assert found is not None
        return found


@pytest.fixture
async def webhooks(mongodb_url: str) -> AsyncIterator[Webhooks]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            connect(urlsplit(mongodb_url)._replace(path=f"/w{ObjectId()}").geturl())
        )
        database = database_of(client)
        endpoints, deliveries = WebhookEndpoints(database), WebhookDeliveries(database)
        await Users(database).create_indexes()
        await endpoints.create_indexes()
        await deliveries.create_indexes()
        sender = await stack.enter_async_context(WebhookClient(local=True, timeout_seconds=2))
        found = Webhooks(database, endpoints, deliveries, stack, 1_900_000_000_000, sender)
        yield found
        for dispatcher in found.dispatchers:
            dispatcher.stop()
            await dispatcher.idle()


class Gate:
    """A receiver that does not answer until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, _request: web.Request) -> web.StreamResponse:
        await self.opened.wait()
        return web.Response(status=204)


@pytest.fixture
def gate() -> Gate:
    return Gate()
