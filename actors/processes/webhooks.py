"""What webhooks are made of: events become deliveries, and deliveries are sent."""

import asyncio
from dataclasses import asdict

import structlog

from actors.domain.account_events import WebhookEndpointDisabled
from actors.domain.instants import Instant
from actors.events.consumer import SubscribeFrom
from actors.mail.outbox import Outbox, to_user
from actors.mail.templates import MailKind
from actors.runtime.clock import SharedClock
from actors.storage.database import Database
from actors.storage.security_events import SecurityEventRecords, document_of
from actors.storage.webhook_deliveries import WebhookDeliveries
from actors.storage.webhook_endpoints import WebhookEndpoints
from actors.webhooks.backlog import Backlog
from actors.webhooks.dispatcher import Dispatcher
from actors.webhooks.endpoint import DisabledReason, Endpoint
from actors.webhooks.feed import REFRESH_MS, WebhookFeed
from actors.webhooks.http_client import WebhookClient
from config.settings import Settings

DURABLE, SUBJECTS = "webhooks", (">",)

logger = structlog.get_logger(__name__)


class DisabledNotices:
    """Tells the owner of an endpoint that was disabled, and who reviews the market's security."""

    def __init__(self, database: Database) -> None:
        self._outbox = Outbox(database)
        self._records = SecurityEventRecords(database)

    async def tell(self, endpoint: Endpoint, reason: DisabledReason, at: Instant) -> None:
        """Put a mail into the outbox and keep a security event. Raises StoreUnavailableError."""
        event = WebhookEndpointDisabled(endpoint.owner_id, endpoint.id, reason.value)
        logger.info("webhook_endpoint_disabled", endpoint=endpoint.id, reason=reason)
        logger.info("security", event_type=type(event).__name__, **asdict(event))
        await self._records.add([document_of(event, at)])
        await self._outbox.add([to_user(MailKind.WEBHOOK_DISABLED, endpoint.owner_id, at)])


def open_dispatcher(settings: Settings, database: Database, clock: SharedClock) -> Dispatcher:
    """Return the dispatcher of the market, to be made inside of the process's event loop."""
    client = WebhookClient(local=settings.webhook_local_receivers)
    endpoints, deliveries = WebhookEndpoints(database), WebhookDeliveries(database)
    return Dispatcher(endpoints, deliveries, client, clock.now, DisabledNotices(database).tell)


class WebhookConsumer:
    """Reads the event stream for webhooks, while there is an endpoint: a market without any pays nothing for them."""

    def __init__(self, feed: WebhookFeed, subscribe: SubscribeFrom) -> None:
        self._feed = feed
        self._run_once = subscribe(DURABLE, SUBJECTS, feed.handle, feed.begins_at)

    async def run_once(self) -> None:
        """Handle the events that there are, or wait for a while. Raises StoreUnavailableError."""
        if await self._feed.has_endpoints():
            await self._run_once()
        else:
            await asyncio.sleep(REFRESH_MS / 1_000)


def open_consumer(database: Database, clock: SharedClock, subscribe: SubscribeFrom) -> WebhookConsumer:
    """Return what makes deliveries of events."""
    endpoints, deliveries = WebhookEndpoints(database), WebhookDeliveries(database)
    backlog = Backlog(endpoints, deliveries, clock.now, DisabledNotices(database).tell)
    return WebhookConsumer(WebhookFeed(endpoints, deliveries, backlog, clock.now), subscribe)
