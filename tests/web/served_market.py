"""A market that is served over HTTP: real actors on real databases, in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from bson import ObjectId
from pydantic import SecretStr

from actors.storage.access_tokens import AccessScope
from config.ports import free_port
from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from serve_app.services import Services
from tests.api.world import PASSWORD, Person
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, local_market

SECONDS = 5.0


@dataclass
class Market:
    """A market that is served over HTTP."""

    url: str
    services: Services
    actors: LocalMarket
    clients: AsyncExitStack

    async def member(self) -> Person:
        person = await self.anyone()
        account = {"email": f"{ObjectId()}@example.com", "password": PASSWORD}
        response = await person.http.post("/api/users/signup", json=account)
        assert response.status_code == 201
        person.id = response.json()["id"]
        return person

    async def anyone(self) -> Person:
        return Person(await self.clients.enter_async_context(httpx.AsyncClient(base_url=self.url, timeout=SECONDS)))

    async def program(self, person: Person, *scopes: AccessScope) -> Person:
        """A program of theirs, with a token of these scopes and without a cookie."""
        made = await person.http.post("/api/tokens", json={"name": "a program", "scopes": scopes})
        assert made.status_code == 201, made.text
        program = await self.anyone()
        program.id = person.id
        program.http.headers["Authorization"] = f"Bearer {made.json()['token']}"
        return program


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Market]:
    async with local_market(settings) as market:
        await market.connections.clock.refresh()
        async with open_services(settings, market.connections.database, market) as services:
            config = uvicorn.Config(create_api(services), port=settings.http_port, log_level="warning")
            config.timeout_graceful_shutdown = 1
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            await eventually(lambda: server.started)
            try:
                async with AsyncExitStack() as clients:
                    yield Market(f"http://127.0.0.1:{settings.http_port}", services, market, clients)
            finally:
                server.should_exit = True
                await serving


def settings_for(mongodb_url: str, redis_url: str, folder: Path) -> Settings:
    return Settings(
        holdfast_env="test",
        data_dir=folder,
        http_port=free_port(),
        mongodb_url=mongodb_url.replace("/holdfast", f"/l{ObjectId()}"),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        live_streams=40,
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )
