import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from bson import ObjectId
from fastapi import FastAPI
from pydantic import SecretStr

from actors.payments.webhook_events import WebhookEventHandler
from actors.storage.database import Database, connect, create_indexes, database_of
from actors.storage.entities import MongoEntities
from actors.storage.sitemap import Sitemap
from actors.storage.user_flags import DelistedSellers
from actors.storage.webhook_inbox import WebhookInbox
from actors.supervision.delisting import Delisting
from config.settings import Settings
from serve_app.api import create_api
from serve_app.bootstrap import open_services
from serve_app.buying.stripe_webhooks import StripeWebhooks
from serve_app.events.feed import EventFeed
from serve_app.search.coalescing_cache import CoalescingCache
from serve_app.security.rate_limits import RateLimits
from serve_app.services import Services
from tests.api.fake_market import FakeMarket, ManualClock
from tests.api.world import World

# Between two tests the loop stands still: a driver that watches would take the database for gone, and end its requests.
UNWATCHED = "&serverMonitoringMode=poll&heartbeatFrequencyMS=3600000"


@pytest.fixture(scope="session")
def settings(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        holdfast_env="test",
        data_dir=tmp_path_factory.mktemp("api"),
        mongodb_url=mongodb_url.replace("/holdfast", f"/api{ObjectId()}") + UNWATCHED,
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        max_holds_per_buyer=3,
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )


@pytest.fixture(scope="session")
async def opened(settings: Settings) -> AsyncIterator[tuple[Services, Database, ManualClock]]:
    """The services that all tests share: opening them for each would take longer than the tests."""
    assert settings.mongodb_url
    clock = ManualClock(time.time_ns() // 1_000_000)
    async with connect(settings.mongodb_url) as client:
        database = database_of(client)
        await create_indexes(database)
        assert settings.redis_url
        # By the tests' clock: what is used up stays so, however slow the machine is.
        limits = RateLimits(settings.redis_url, enabled=settings.rate_limits, now=lambda: clock() / 1_000)
        async with open_services(settings, database, FakeMarket(database, clock), clock) as services:
            yield replace(services, limits=limits), database, clock
        await limits.close()


@pytest.fixture(scope="session")
def api(opened: tuple[Services, Database, ManualClock]) -> FastAPI:
    """The app of all worlds: the first request to a new one costs FastAPI 80 ms. Who adds a route makes their own."""
    return create_api(opened[0])


_COLLECTIONS = (
    "tickets", "orders", "users", "sessions", "mails", "email_tokens", "webhook_events", "upgrades", "reports",
    "favourites", "access_tokens", "webhook_endpoints", "webhook_deliveries",
)  # fmt: skip


@pytest.fixture
async def world(opened: tuple[Services, Database, ManualClock], api: FastAPI) -> AsyncIterator[World]:
    shared, database, clock = opened
    clock.advance(60)  # what is counted by the minute begins anew
    for collection in _COLLECTIONS:
        await database[collection].delete_many({})
    market = FakeMarket(database, clock)
    inbox = WebhookInbox(database)
    webhook_events = WebhookEventHandler(inbox, MongoEntities(database), market)
    services = replace(
        shared,
        market=market,
        unlisting=Delisting(DelistedSellers(database), market, clock),
        queries=replace(shared.queries, history=market, charges=market),
        lists=CoalescingCache(),
        sitemap=Sitemap(database),
        webhooks=StripeWebhooks(shared.settings.webhook_secret.get_secret_value(), inbox, webhook_events),
    )
    ending = asyncio.create_task(_end_streams(services.events))
    api.state.services = services
    yield World(api, services, database, market, clock, webhook_events)
    ending.cancel()


async def _end_streams(events: EventFeed) -> None:
    """End each stream of events as soon as it is open: httpx takes answers of an app as a whole."""
    while True:
        for listener in list(events._listeners):
            listener.end()
        await asyncio.sleep(0.01)
