"""A market for browsers: the real services and actors in this process, behind a real server on a port of its own."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import uvicorn
from bson import ObjectId
from playwright.async_api import Browser, BrowserContext
from pydantic import SecretStr

from config.ports import free_port
from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from serve_app.services import Services
from tests.api.world import JSON, PASSWORD, Person
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, local_market

KEY = SecretStr("a key that only tests of browsers know, and which is long enough for HS512 as well as for any other")


@dataclass
class Market:
    """A market that answers at `url`, with the services and actors behind it."""

    url: str
    services: Services
    actors: LocalMarket
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def anyone(self) -> Person:
        """Return somebody who is not signed in."""
        client = httpx.AsyncClient(base_url=self.url)
        self._clients.append(client)
        return Person(client)

    async def member(self) -> Person:
        """Return somebody new who is signed in with PASSWORD."""
        person = self.anyone()
        person.email = f"p{secrets.token_hex(6)}@example.com"
        account = {"email": person.email, "password": PASSWORD}
        response = await person.http.post("/api/users/signup", json=account)
        assert response.status_code == 201, response.text
        person.id = response.json()["id"]
        return person

    async def held(self, **ticket: object) -> tuple[Person, Person, JSON, JSON]:
        """Return a seller, a buyer, the ticket that the buyer holds, and the order."""
        seller, buyer = await self.member(), await self.member()
        listed = await seller.lists(**ticket)
        return seller, buyer, listed, await buyer.orders(listed)

    async def context(self, browser: Browser, person: Person | None = None, **options: object) -> BrowserContext:
        """Return a browser window of a person's own. The caller closes it."""
        defaults: dict[str, object] = {"base_url": self.url, "locale": "en-US", "timezone_id": "Europe/Vienna"}
        context = await browser.new_context(**{**defaults, **options})  # type: ignore[arg-type]
        context.set_default_timeout(8_000)
        if person is not None:
            await self.signs_in(context, person)
        return context

    async def signs_in(self, context: BrowserContext, person: Person) -> None:
        """Give a window the cookies of a person, without the form."""
        await context.add_cookies(
            [{"name": name, "value": value, "url": self.url} for name, value in person.http.cookies.items()]
        )

    async def aclose(self) -> None:
        """Close the clients of all people."""
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def served_market(mongodb_url: str, redis_url: str, folder: Path, **settings: object) -> AsyncIterator[Market]:
    """Serve a market with a database of its own, and leave nothing running."""
    port = free_port()
    chosen = Settings(
        **{  # type: ignore[arg-type]
            "holdfast_env": "test",
            "data_dir": folder,
            "mongodb_url": mongodb_url.replace("/holdfast", f"/browser{ObjectId()}"),
            "redis_url": redis_url,
            "jwt_key": KEY,
            "http_port": port,
            "rate_limits": False,
            "argon2_memory_kib": 8_192,
            "argon2_iterations": 1,
            **settings,
        }
    )
    async with local_market(chosen) as actors:
        await actors.connections.clock.refresh()
        async with open_services(chosen, actors.connections.database, actors) as services:
            # With a publishable key the sandbox is the Stripe account behind the market, and pages know nothing of it.
            shown = replace(services, sandbox=None) if chosen.stripe_publishable_key else services
            config = uvicorn.Config(create_api(shown), port=port, log_level="warning", timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            # Ctrl-C belongs to the test run.
            server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
            serving = asyncio.create_task(server.serve())
            await eventually(lambda: server.started)
            market = Market(f"http://localhost:{port}", services, actors)
            try:
                yield market
            finally:
                await market.aclose()
                server.should_exit = True
                await serving
