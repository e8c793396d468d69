"""What routes work with, and how it is opened for the life of a replica."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from redis.asyncio import Redis
from starlette.requests import Request

from actors.domain.messages import Charge, Instant
from actors.market import Market
from actors.notices import Notices
from actors.runtime.ports import Recorded
from actors.storage.database import connect, database_of
from actors.storage.journal import MongoJournal
from actors.storage.queries import Queries as StoredEntities
from actors.storage.webhooks import WebhookInbox
from actors.stripe.account import open_sandbox
from actors.stripe.sandbox import Sandbox
from config.settings import Settings
from serve_app.queries.orders import Orders
from serve_app.queries.revocations import RevocationRecords
from serve_app.queries.tickets import Tickets
from serve_app.queries.users import Users
from serve_app.recent import Recent
from serve_app.schemas.body import Rules
from serve_app.security.limits import Limits
from serve_app.security.passwords import Passwords
from serve_app.security.revocations import Revocations
from serve_app.security.sessions import LIFETIME_MS, Sessions
from serve_app.stripe_webhooks import StripeWebhooks

Clock = Callable[[], Instant]

_REDIS_SECONDS = 1.0

_log = structlog.get_logger()


class History(Protocol):
    """The past of a ticket."""

    async def history(self, entity: str) -> Sequence[Recorded]:
        """Return the events of an entity, such as `ticket:<id>`, in order. Raises StoreUnavailableError."""


class Charges(Protocol):
    """The payments of an order."""

    async def charges_of(self, order_id: str) -> Sequence[Charge]:
        """Return all attempts to pay an order, in order. Raises StoreUnavailableError."""


@dataclass(frozen=True, slots=True)
class Queries:
    """What is read without asking an actor."""

    tickets: Tickets
    orders: Orders
    history: History
    charges: Charges


@dataclass(frozen=True, slots=True)
class Services:
    """All that routes need. `sandbox` is there when no real money is paid; `lists` keeps pages with their headers."""

    settings: Settings
    market: Market
    queries: Queries
    lists: Recent[tuple[bytes, dict[str, str]]]
    users: Users
    passwords: Passwords
    sessions: Sessions
    limits: Limits
    webhooks: StripeWebhooks
    sandbox: Sandbox | None
    redis: Redis
    clock: Clock

    def rules(self) -> Rules:
        """Return what the shape of a request is checked against at this moment."""
        return Rules(self.clock(), self.settings.currency, self.settings.password_min_length)


def services_of(request: Request) -> Services:
    """Return the services of the app that the request came to."""
    services: Services = request.app.state.services
    return services


def wall_clock() -> Instant:
    """Return milliseconds since the epoch. Good for shapes and sessions; holds are timed by their actors."""
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def open_services(settings: Settings, market: Market, clock: Clock = wall_clock) -> AsyncIterator[Services]:
    """Connect to the database and to Redis, whose addresses must be set, and let go of them at the end.

    Raises pymongo's ConnectionFailure when the database does not answer; Redis may be away.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ValueError("MONGODB_URL and REDIS_URL must be known by now")
    async with (
        connect(settings.mongodb_url) as client,
        Redis.from_url(settings.redis_url, socket_connect_timeout=_REDIS_SECONDS) as redis,
    ):
        database = database_of(client)
        users, records = Users(database), RevocationRecords(database)
        await users.create_indexes()
        await records.create_indexes()
        revocations = Revocations(records, redis, LIFETIME_MS, clock)
        await revocations.start()
        passwords = Passwords()
        orders = Orders(database)
        limits = Limits(settings.redis_url, enabled=settings.rate_limits)
        key = settings.session_key.get_secret_value()
        stored, inbox = StoredEntities(database), WebhookInbox(database)
        notices = Notices(inbox, stored, market)
        if settings.stripe_webhook_secret is None and not settings.sandbox_payments:
            _log.warning("STRIPE_WEBHOOK_SECRET is not set: Stripe's webhooks are refused, payments settle more slowly")
        handling = asyncio.create_task(notices.run())
        try:
            yield Services(
                settings=settings,
                market=market,
                queries=Queries(Tickets(database, orders), orders, MongoJournal(database), stored),
                lists=Recent(),
                users=users,
                passwords=passwords,
                sessions=Sessions(key, secure=settings.secure_cookies, revocations=revocations, clock=clock),
                limits=limits,
                webhooks=StripeWebhooks(settings.webhook_secret.get_secret_value(), inbox, notices),
                sandbox=open_sandbox(database) if settings.sandbox_payments else None,
                redis=redis,
                clock=clock,
            )
        finally:
            handling.cancel()
            passwords.close()
            await limits.close()
            await revocations.stop()
