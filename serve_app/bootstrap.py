"""The composition root of the web service: makes what routes work with on one database, and ends it with the replica.

Needs no Ray: tests open the services with a market of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from redis.asyncio import Redis

from actors.cluster.market import MarketClient
from actors.mail.outbox import Outbox
from actors.mail.tokens import EmailTokens
from actors.payments.webhook_events import WebhookEventHandler
from actors.processes.migration import migrate
from actors.processes.stripe_account import open_sandbox
from actors.runtime.clock import wall_clock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.access_tokens import AccessTokenRecords
from actors.storage.database import Database
from actors.storage.entities import MongoEntities
from actors.storage.failed_refunds import FailedRefunds
from actors.storage.favourites import Favourites
from actors.storage.journal import MongoJournal
from actors.storage.orders import Orders
from actors.storage.reports import Reports
from actors.storage.revocations import RevocationRecords
from actors.storage.security_events import SecurityEventRecords
from actors.storage.server import server_of
from actors.storage.sessions import SessionRecords
from actors.storage.sitemap import Sitemap
from actors.storage.tickets import Tickets
from actors.storage.user_flags import DelistedSellers
from actors.storage.users import Users
from actors.storage.webhook_deliveries import WebhookDeliveries
from actors.storage.webhook_endpoints import WebhookEndpoints
from actors.storage.webhook_inbox import WebhookInbox
from actors.supervision.delisting import Delisting
from config.settings import Settings
from holdfast.cancellation import cancel_until_ended
from serve_app.accounts.bearer_tokens import AccessTokens
from serve_app.accounts.changed_users import ChangedUsers
from serve_app.accounts.password_hashes import Argon2Cost, Passwords
from serve_app.accounts.revocations import Revocations
from serve_app.accounts.session_cookies import Lifetimes, Sessions
from serve_app.accounts.tokens import Tokens
from serve_app.buying.stripe_webhooks import StripeWebhooks
from serve_app.events.feed import EventFeed
from serve_app.events.reader import EventReader
from serve_app.search.coalescing_cache import CoalescingCache
from serve_app.search.erased_words import as_everybody_sees
from serve_app.security.audit_log import AuditLog
from serve_app.security.open_streams import OpenStreams
from serve_app.security.rate_limits import RateLimits
from serve_app.services import Clock, Queries, Services
from serve_app.web.live.feed import LiveFeed

_REDIS_SECONDS = 1.0
_STOP_SECONDS = 2.0
# Each is a request to Serve, which takes 2,000 at a time (app.py).
_STREAMS_BESIDE_REQUESTS = 800

_log = structlog.get_logger()


@asynccontextmanager
async def open_services(
    settings: Settings, database: Database, market: MarketClient, clock: Clock = wall_clock
) -> AsyncIterator[Services]:
    """Make what routes work with, on the database and the actors of its caller, and run its jobs.

    Raises PyMongoError or StoreUnavailableError when the database does not answer, and schema.UnusableDataError. Redis
    may be away, but its address must be set.
    """
    if settings.redis_url is None:
        raise ValueError("REDIS_URL must be known by now")
    await migrate(database)
    warn_of_missing_keys(settings)
    users, entities, inbox = Users(database), MongoEntities(database), WebhookInbox(database)
    queries = await _queries(database, entities)
    async with (
        Redis.from_url(settings.redis_url, socket_connect_timeout=_REDIS_SECONDS) as redis,
        _open_revocations(settings, database, redis, clock) as revocations,
    ):
        sessions = _sessions(settings, database, revocations, clock)
        webhook_events = WebhookEventHandler(inbox, entities, market)
        streams = OpenStreams(settings.live_streams or _STREAMS_BESIDE_REQUESTS, is_limited=settings.rate_limits)
        services = Services(
            settings=settings,
            market=market,
            queries=queries,
            lists=CoalescingCache(),
            changed_users=ChangedUsers(redis),
            users=users,
            unlisting=Delisting(DelistedSellers(database), market, clock),
            passwords=_passwords(settings),
            sessions=sessions,
            access_tokens=AccessTokens(AccessTokenRecords(database), users, revocations, clock),
            limits=RateLimits(settings.redis_url, enabled=settings.rate_limits),
            security_events=AuditLog(queries.security_events, clock),
            outbox=Outbox(database),
            email_tokens=EmailTokens(database),
            reports=Reports(database),
            favourites=Favourites(database),
            sitemap=Sitemap(database),
            webhooks=StripeWebhooks(settings.webhook_secret.get_secret_value(), inbox, webhook_events),
            webhook_endpoints=WebhookEndpoints(database),
            webhook_deliveries=WebhookDeliveries(database),
            sandbox=open_sandbox(database) if settings.sandbox_payments else None,
            live=LiveFeed(
                market,
                streams,
                as_everybody_sees=lambda ticket: as_everybody_sees(ticket, users, clock()),
                is_ended=sessions.is_ended,
            ),
            events=EventFeed(redis, streams, is_ended=sessions.is_ended),
            redis=redis,
            ingress_keys=settings.ingress_keys,
            clock=clock,
        )
        reader = EventReader(redis, services.live, services.events)
        async with _running(services, webhook_events.run(), reader.run()):
            yield services


def lifetimes_of(settings: Settings) -> Lifetimes:
    """Return how long sessions last."""
    return Lifetimes(
        settings.session_token_seconds * 1_000, settings.session_idle_seconds * 1_000, settings.session_seconds * 1_000
    )


def warn_of_missing_keys(settings: Settings) -> None:
    """Log one line for each key without which a market of a real account runs, and does less."""
    if settings.sandbox_payments:
        return
    if settings.stripe_webhook_secret is None:
        _log.warning("setting_missing", setting="STRIPE_WEBHOOK_SECRET", hint="until then payments settle more slowly")
    if settings.stripe_publishable_key is None:
        _log.warning("setting_missing", setting="STRIPE_PUBLISHABLE_KEY", hint="until then pages take no cards")


async def _queries(database: Database, entities: MongoEntities) -> Queries:
    """Return what is read without asking an actor. Orders are one object, which reads them in batches."""
    orders = Orders(database)
    return Queries(
        catalogue=(await server_of(database)).catalogue(database, orders),
        tickets=Tickets(database, orders),
        orders=orders,
        history=MongoJournal(database),
        charges=entities,
        security_events=SecurityEventRecords(database),
        failed_refunds=FailedRefunds(database),
    )


@asynccontextmanager
async def _open_revocations(
    settings: Settings, database: Database, redis: Redis, clock: Clock
) -> AsyncIterator[Revocations]:
    """Learn of the sessions and access tokens that other replicas end. Raises pymongo's ConnectionFailure."""
    revocations = Revocations(RevocationRecords(database), redis, lifetimes_of(settings).token, clock)
    await revocations.start()
    try:
        yield revocations
    finally:
        await revocations.stop()


def _sessions(settings: Settings, database: Database, revocations: Revocations, clock: Clock) -> Sessions:
    return Sessions(
        Tokens([key.get_secret_value() for key in settings.session_keys], clock),
        SessionRecords(database),
        Users(database),
        revocations=revocations,
        lifetimes=lifetimes_of(settings),
        clock=clock,
        public_url=settings.public_url,
    )


def _passwords(settings: Settings) -> Passwords:
    return Passwords(Argon2Cost(settings.argon2_memory_kib, settings.argon2_iterations, settings.argon2_parallelism))


@asynccontextmanager
async def _running(services: Services, *more: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the jobs of the services, and at the end store what was noted and close what is open."""
    jobs = (
        *more,
        services.security_events.run(),
        services.sessions.purge_expired(),
        services.access_tokens.purge_expired(),
        services.changed_users.keep_telling(),
        services.changed_users.keep_hearing(),
        services.live.run(),
        services.events.run(),
    )
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        # Before Redis and the database are closed under them.
        await cancel_until_ended(tasks, _STOP_SECONDS)
        with suppress(StoreUnavailableError):
            await services.security_events.flush()
        services.passwords.close()
        await services.limits.close()
