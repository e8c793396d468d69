"""What routes work with. `bootstrap.py` makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis
from starlette.requests import Request

from actors.cluster.market import MarketClient
from actors.domain.charge_values import Charge
from actors.domain.instants import Instant
from actors.mail.outbox import Outbox
from actors.mail.tokens import EmailTokens
from actors.runtime.ports import RecordedEvent
from actors.storage.catalogue import Catalogue
from actors.storage.failed_refunds import FailedRefunds
from actors.storage.favourites import Favourites
from actors.storage.orders import Orders
from actors.storage.reports import Reports
from actors.storage.security_events import SecurityEventRecords
from actors.storage.sitemap import Sitemap
from actors.storage.tickets import Tickets
from actors.storage.users import User, Users
from actors.storage.webhook_deliveries import WebhookDeliveries
from actors.storage.webhook_endpoints import WebhookEndpoints
from actors.stripe.sandbox import Sandbox
from actors.supervision.delisting import Delisting
from config.settings import Settings
from serve_app.accounts.bearer_tokens import AccessTokens
from serve_app.accounts.changed_users import ChangedUsers
from serve_app.accounts.password_hashes import Passwords
from serve_app.accounts.session_cookies import Sessions
from serve_app.accounts.tokens import Session
from serve_app.buying.stripe_webhooks import StripeWebhooks
from serve_app.events.feed import EventFeed
from serve_app.http.errors import ForbiddenError, NotAuthorizedError
from serve_app.schemas.body import Rules
from serve_app.search.coalescing_cache import CoalescingCache
from serve_app.security.audit_log import AuditLog
from serve_app.security.client_ip import client_address
from serve_app.security.rate_limits import RateLimits
from serve_app.web.live.feed import LiveFeed

Clock = Callable[[], Instant]


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
    access_tokens: AccessTokens
    limits: RateLimits
    security_events: AuditLog
    outbox: Outbox
    email_tokens: EmailTokens
    reports: Reports
    favourites: Favourites
    sitemap: Sitemap
    webhooks: StripeWebhooks
    webhook_endpoints: WebhookEndpoints
    webhook_deliveries: WebhookDeliveries
    sandbox: Sandbox | None
    live: LiveFeed
    events: EventFeed
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

    def end_streams(self) -> None:
        """End all open streams and open no more: pages and programs come back to another replica, with jitter."""
        self.live.end_all()
        self.events.end_all()

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
