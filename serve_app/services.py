"""What routes work with, and how it is opened for the life of a replica."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from redis.asyncio import Redis
from starlette.requests import Request

from actors.cluster.market import MarketClient
from actors.domain.charge_values import Charge
from actors.domain.instants import Instant
from actors.mail.outbox import Outbox
from actors.mail.tokens import EmailTokens
from actors.payments.webhook_events import WebhookEventHandler
from actors.processes.stripe_account import open_sandbox
from actors.runtime.clock import wall_clock
from actors.runtime.ports import RecordedEvent, StoreUnavailableError
from actors.storage.catalogue import Catalogue
from actors.storage.database import connect, database_of
from actors.storage.entities import Queries as StoredEntities
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
from actors.storage.upgrades import convert_email_keys
from actors.storage.user_flags import DelistedSellers
from actors.storage.users import User, Users
from actors.storage.webhook_inbox import WebhookInbox
from actors.stripe.sandbox import Sandbox
from actors.supervision.delisting import Delisting
from config.settings import Settings
from serve_app.accounts.changed_users import ChangedUsers
from serve_app.accounts.password_hashes import Argon2Cost, Passwords
from serve_app.accounts.revocations import Revocations
from serve_app.accounts.session_cookies import Lifetimes, Sessions
from serve_app.accounts.tokens import Session, Tokens
from serve_app.buying.stripe_webhooks import StripeWebhooks
from serve_app.http.errors import ForbiddenError, NotAuthorizedError
from serve_app.schemas.body import Rules
from serve_app.search.coalescing_cache import CoalescingCache
from serve_app.search.erased_words import as_everybody_sees
from serve_app.security.audit_log import AuditLog
from serve_app.security.client_ip import client_address
from serve_app.security.rate_limits import RateLimits
from serve_app.web.live.feed import LiveFeed

Clock = Callable[[], Instant]

_REDIS_SECONDS = 1.0
# Each is a request to Serve, which takes 2,000 at a time (app.py).
STREAMS_BESIDE_REQUESTS = 800

_log = structlog.get_logger()


class History(Protocol):
    """The past of a ticket."""

    async def history(self, entity: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return events of an entity, such as `ticket:<id>`, in order, at most so many after that version.

        Raises StoreUnavailableError.
        """


class Charges(Protocol):
    """The payments of an order."""

    async def charges_of(self, order_id: str) -> Sequence[Charge]:
        """Return all attempts to pay an order, in order. Raises StoreUnavailableError."""


@dataclass(frozen=True, slots=True)
class Queries:
    """What is read without asking an actor."""

    catalogue: Catalogue
    tickets: Tickets
    orders: Orders
    history: History
    charges: Charges
    security_events: SecurityEventRecords
    failed_refunds: FailedRefunds


@dataclass(frozen=True, slots=True)
class Services:
    """All that routes need. `sandbox` is there when no real money is paid; `lists` keeps pages with their headers."""

    settings: Settings
    market: MarketClient
    queries: Queries
    lists: CoalescingCache
    changed_users: ChangedUsers
    users: Users
    unlisting: Delisting
    passwords: Passwords
    sessions: Sessions
    limits: RateLimits
    security_events: AuditLog
    outbox: Outbox
    email_tokens: EmailTokens
    reports: Reports
    favourites: Favourites
    sitemap: Sitemap
    webhooks: StripeWebhooks
    sandbox: Sandbox | None
    live: LiveFeed
    redis: Redis
    ingress_keys: tuple[str, ...]
    clock: Clock

    def rules(self) -> Rules:
        """Return what the shape of a request is checked against at this moment."""
        own = self.settings
        return Rules(self.clock(), own.currency, own.password_min_length, own.resale_cap_hundredths)

    def address_of(self, request: Request) -> str:
        """Return where the request comes from, for limits."""
        return client_address(request, self.settings.trusted_proxies, self.ingress_keys)

    async def trader(self, request: Request) -> Session:
        """Return the session of somebody who may sell and buy. Raises NotAuthorizedError and ForbiddenError.

        Waits for nothing where verified addresses are not asked for, and for those whose token says it of theirs.
        """
        session = self.sessions.require(request)
        if self.settings.require_verified_email and not session.verified:
            # The token may be older than that.
            user = await self.users.by_id(session.user_id)
            if user is None or user.verified_at is None:
                raise ForbiddenError("Confirm your email address first: we sent you a link.")
        return session

    async def admin(self, request: Request) -> User:
        """Return the administrator whose request it is. Raises NotAuthorizedError and ForbiddenError."""
        user = await self.signed_in_user(request)
        if not user.is_admin:
            raise ForbiddenError("Only administrators may do this.")
        return user

    async def is_admin(self, user_id: str) -> bool:
        """Whether the user has the role at this moment."""
        user = await self.users.by_id(user_id)
        return user is not None and user.is_admin

    async def signed_in_user(self, request: Request) -> User:
        """Return whose request it is, as the database knows them. Raises NotAuthorizedError."""
        user = await self.users.by_id(self.sessions.require(request).user_id)
        if user is None or user.banned_at is not None:
            raise NotAuthorizedError
        return user


def services_of(request: Request) -> Services:
    """Return the services of the app that the request came to."""
    services: Services = request.app.state.services
    return services


def lifetimes_of(settings: Settings) -> Lifetimes:
    """Return how long sessions last."""
    return Lifetimes(
        settings.session_token_seconds * 1_000, settings.session_idle_seconds * 1_000, settings.session_seconds * 1_000
    )


@asynccontextmanager
async def open_services(settings: Settings, market: MarketClient, clock: Clock = wall_clock) -> AsyncIterator[Services]:
    """Connect to the database and to Redis, whose addresses must be set, and close both at the end.

    Raises PyMongoError or StoreUnavailableError when the database does not answer; Redis may be away.
    """
    if settings.mongodb_url is None or settings.redis_url is None:
        raise ValueError("MONGODB_URL and REDIS_URL must be known by now")
    async with (
        connect(settings.mongodb_url) as client,
        Redis.from_url(settings.redis_url, socket_connect_timeout=_REDIS_SECONDS) as redis,
    ):
        database = database_of(client)
        users, records, signed_in = Users(database), RevocationRecords(database), SessionRecords(database)
        await users.create_indexes()
        await convert_email_keys(database)
        await records.create_indexes()
        await signed_in.create_indexes()
        outbox, email_tokens = Outbox(database), EmailTokens(database)
        await outbox.create_indexes()
        await email_tokens.create_indexes()
        reports, favourites = Reports(database), Favourites(database)
        await reports.create_indexes()
        await favourites.create_indexes()
        lifetimes = lifetimes_of(settings)
        revocations = Revocations(records, redis, lifetimes.token, clock)
        await revocations.start()
        cost = Argon2Cost(settings.argon2_memory_kib, settings.argon2_iterations, settings.argon2_parallelism)
        passwords = Passwords(cost)
        security_records = SecurityEventRecords(database)
        await security_records.create_indexes()
        security_events = AuditLog(security_records, clock)
        orders = Orders(database)
        limits = RateLimits(settings.redis_url, enabled=settings.rate_limits)
        tokens = Tokens([key.get_secret_value() for key in settings.session_keys], clock)
        sessions = Sessions(
            tokens,
            signed_in,
            users,
            revocations=revocations,
            lifetimes=lifetimes,
            clock=clock,
            public_url=settings.public_url,
        )
        stored, inbox = StoredEntities(database), WebhookInbox(database)
        webhook_events = WebhookEventHandler(inbox, stored, market)
        warn_of_missing_keys(settings)
        changed_users = ChangedUsers(redis)
        live = LiveFeed(
            market,
            redis,
            as_everybody_sees=lambda ticket: as_everybody_sees(ticket, users, clock()),
            is_ended=sessions.is_ended,
            most_streams=settings.live_streams or STREAMS_BESIDE_REQUESTS,
            is_limited=settings.rate_limits,
        )
        jobs = [
            asyncio.create_task(job)
            for job in (
                webhook_events.run(),
                security_events.run(),
                sessions.purge_expired(),
                changed_users.run(),
                live.run(),
            )
        ]
        try:
            yield Services(
                settings=settings,
                market=market,
                queries=Queries(
                    (await server_of(database)).catalogue(database, orders),
                    Tickets(database, orders),
                    orders,
                    MongoJournal(database),
                    stored,
                    security_records,
                    FailedRefunds(database),
                ),
                lists=CoalescingCache(),
                changed_users=changed_users,
                users=users,
                unlisting=Delisting(DelistedSellers(database), market, clock),
                passwords=passwords,
                sessions=sessions,
                limits=limits,
                security_events=security_events,
                outbox=outbox,
                email_tokens=email_tokens,
                reports=reports,
                favourites=favourites,
                sitemap=Sitemap(database),
                webhooks=StripeWebhooks(settings.webhook_secret.get_secret_value(), inbox, webhook_events),
                sandbox=open_sandbox(database) if settings.sandbox_payments else None,
                live=live,
                redis=redis,
                ingress_keys=settings.ingress_keys,
                clock=clock,
            )
        finally:
            for job in jobs:
                job.cancel()
            with suppress(StoreUnavailableError):
                await security_events.flush()
            passwords.close()
            await limits.close()
            await revocations.stop()


def warn_of_missing_keys(settings: Settings) -> None:
    """Log one line for each key without which a market of a real account runs, and does less."""
    if settings.sandbox_payments:
        return
    if settings.stripe_webhook_secret is None:
        _log.warning("STRIPE_WEBHOOK_SECRET is not set: Stripe's webhooks are refused, payments settle more slowly")
    if settings.stripe_publishable_key is None:
        _log.warning("STRIPE_PUBLISHABLE_KEY is not set: pages take no cards, only the API takes payments")
