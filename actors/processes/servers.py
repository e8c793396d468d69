"""The servers that a process of the market is connected to: MongoDB, Redis, and Stripe or its sandbox."""

import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from actors.cluster.market import MarketClient
from actors.events.redis_stream import RedisEventStream
from actors.processes.resources import Resources
from actors.runtime.clock import wall_clock
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.clock import database_clock
from actors.storage.database import connect, create_indexes, database_of
from actors.storage.documents import MongoDocuments
from actors.storage.entities import MongoEntities
from actors.storage.journal import MongoJournal
from actors.storage.upgrades import DocumentUpgrade
from actors.storage.user_flags import DelistedSellers, MongoPendingUserEvents
from actors.storage.webhook_inbox import WebhookInbox
from actors.supervision.delisting import EVERY_SECONDS as DELISTING_SECONDS
from actors.supervision.delisting import Delisting
from actors.supervision.duty import Duty
from config.settings import Settings

if TYPE_CHECKING:
    from actors.processes.stripe_account import Account

REDIS_SECONDS = 2.0
UPGRADE_PATIENCE_MS = 600_000


class ProductionResources(Resources):
    """Connected to the servers that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self.client = connect(_required(settings.mongodb_url, "MONGODB_URL"))
        self.database = database_of(self.client)
        self.redis = Redis.from_url(
            _required(settings.redis_url, "REDIS_URL"),
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        self.clock = database_clock(self.database)
        self.journal = MongoJournal(self.database)
        self.documents = MongoDocuments(self.database)
        self.checkpoints = MongoCheckpoints(self.database)
        self.queries = MongoEntities(self.database)
        self.stream = RedisEventStream(self.redis)
        self.inbox = WebhookInbox(self.database)
        self.pending_user_events = MongoPendingUserEvents(self.database)

    async def prepare(self) -> None:
        """Creates the indexes that are missing. Raises StoreUnavailableError."""
        await create_indexes(self.database)

    def open_account(self, settings: Settings) -> "Account":
        """The real account with STRIPE_KEY, the sandbox's without."""
        from actors.processes.stripe_account import open_account  # noqa: PLC0415 - see resources.py

        return open_account(settings, self.database)

    def duties(self, settings: Settings, market: MarketClient) -> list[Duty]:
        """Mail, receipts, and the tickets of those who may not sell any more."""
        from actors.mail import duties  # noqa: PLC0415 - only the Supervisor sends any

        delisting = Delisting(DelistedSellers(self.database), market, wall_clock)
        return [
            *duties(settings, self.database, self.redis),
            Duty("delist_sellers", DELISTING_SECONDS, delisting.sweep),
        ]

    def background_jobs(self, settings: Settings) -> list[Coroutine[Any, Any, None]]:
        """Documents of older releases are brought over."""
        # A client of its own: how long the driver waits for an answer and for a sign of life is the client's, and an
        # upgrade reads whole collections without an index.
        patient = database_of(connect(_required(settings.mongodb_url, "MONGODB_URL"), patience_ms=UPGRADE_PATIENCE_MS))
        return [DocumentUpgrade(patient, self.documents).run()]

    def end_process(self) -> None:
        """Without waiting for anything but the log: what is half-done is for the Supervisor to finish."""
        end_process()


def end_process() -> None:
    """Ends this process, with its log written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _required(address: str | None, name: str) -> str:
    if address is None:
        raise ValueError(f"{name} is not set")
    return address
