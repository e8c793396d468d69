"""The whole market behind real HTTP, in one process: everything but Ray is the real thing.

The real FastAPI app over the real hosts, purchases, payments and sandbox on the real database, served by uvicorn on a
port of its own, in a thread with its own event loop. Only the time is the test's: it stands still until it is moved.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from bson import ObjectId
from starlette.responses import Response

from actors.domain.instants import Instant
from actors.runtime.clock import SharedClock
from actors.storage.database import create_indexes
from actors.storage.users import User
from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from serve_app.services import Services
from tests.api.fake_market import ManualClock
from tests.support.local_market import LocalMarket

PASSWORD = "correct horse battery staple"


class StandingClock(SharedClock):
    """The hosts' clock, which is the test's."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(self._ask)
        self._clock = clock

    def now(self) -> Instant:
        return self._clock()

    async def _ask(self) -> float:
        return self._clock() / 1_000


@dataclass
class ServedMarket:
    """What a test knows of the market that it speaks to. Time is the same for all of its parts."""

    http: httpx.Client
    services: Services
    clock: ManualClock
    portal: BlockingPortal
    password_hash: str
    market: LocalMarket

    def account(self) -> User:
        """Somebody who has signed up with PASSWORD before; without the 40 ms of a password hash."""
        user_id = str(ObjectId())
        user = User(user_id, f"{user_id}@example.com", self.password_hash, self.clock())
        assert self.portal.call(self.services.users.add, user)
        return user

    def write(self, documents: Collection[tuple[str, str]]) -> None:
        """Have these documents written now, by collection and id, as somebody's request would that waits for them."""
        commit_relay = self.market.tickets.commit_relay
        self.portal.call(commit_relay.write, commit_relay.pending(documents))

    def cookie(self, user: User) -> str:
        """A new session of theirs."""
        response = Response()
        self.portal.call(self.services.sessions.begin, response, user)
        return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


@contextmanager
def served_market(settings: Settings) -> Iterator[ServedMarket]:
    """A market that answers; nothing of it runs afterwards."""
    with start_blocking_portal() as portal:
        clock = ManualClock(time.time_ns() // 1_000_000)
        with portal.wrap_async_context_manager(_serving(settings, clock)) as (url, services, market):
            password_hash = portal.call(services.passwords.hash, PASSWORD)
            with httpx.Client(base_url=url) as http:
                yield ServedMarket(http, services, clock, portal, password_hash, market)


@asynccontextmanager
async def _serving(settings: Settings, clock: ManualClock) -> AsyncIterator[tuple[str, Services, LocalMarket]]:
    market = LocalMarket(settings)
    market.connections.clock = StandingClock(clock)
    await create_indexes(market.connections.database)
    await market.account.prepare()
    await market.connections.epoch_keeper(settings).round()
    market.start()
    try:
        database = market.connections.database
        async with open_services(settings, database, market, clock) as services, _listening(services) as url:
            yield url, services, market
    finally:
        await market.stop()


@asynccontextmanager
async def _listening(services: Services) -> AsyncIterator[str]:
    config = uvicorn.Config(create_api(services), lifespan="off", ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    # Named as TCP, so that asyncio turns Nagle's algorithm off: with it every answer takes 40 ms longer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
