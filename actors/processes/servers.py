"""The servers that a process of the market is connected to: MongoDB, Redis, and Stripe or its sandbox."""

import os
import secrets
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from actors.cluster.members import Members
from actors.events.consumer import BeginsAt, Consumer, Handle, RunOnce, first_event
from actors.events.epochs import EVERY_SECONDS as EPOCH_SECONDS
from actors.events.epochs import EpochKeeper
from actors.events.journal_history import JournalHistory
from actors.events.redis_stream import MAX_BYTES, PublishedEvents, RedisEventStream
from actors.processes.resources import Resources
from actors.processes.watched_servers import WatchedServers
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.clock import database_clock
from actors.storage.database import connect, create_indexes, database_of
from actors.storage.documents import MongoDocuments
from actors.storage.entities import MongoEntities
from actors.storage.event_stream import MongoStreamStates
from actors.storage.journal import MongoJournal
from actors.storage.schema import check_schema
from actors.storage.subscriptions import MongoPositions
from actors.storage.upgrades import DocumentUpgrade
from actors.storage.user_flags import DelistedSellers, MongoChangedUsers, MongoPendingUserEvents
from actors.storage.webhook_inbox import WebhookInbox
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
        self.members = Members(self.journal)
        self.documents = MongoDocuments(self.database)
        self.checkpoints = MongoCheckpoints(self.database)
        self.queries = MongoEntities(self.database)
        self.history = JournalHistory(
            self.journal, self.checkpoints, MongoChangedUsers(self.database), settings.public_url
        )
        self.published_events = PublishedEvents(self.history, settings.public_url)
        self.stream = RedisEventStream(self.redis, self.published_events)
        self.inbox = WebhookInbox(self.database)
        self.pending_user_events = MongoPendingUserEvents(self.database)
        self.delisting = DelistedSellers(self.database)
        self._webhook_tries: Mapping[str, int] = {}

    async def prepare(self) -> None:
        """Creates the indexes that are missing. Raises StoreUnavailableError, and schema.UnusableDataError."""
        await check_schema(self.database)
        await create_indexes(self.database)

    async def close(self) -> None:
        """Close the clients of MongoDB and Redis, and end the threads and tasks that look after their servers."""
        await self.redis.aclose()
        await self.client.close()

    def open_account(self, settings: Settings) -> "Account":
        """The real account with STRIPE_KEY, the sandbox's without."""
        from actors.processes.stripe_account import open_account  # noqa: PLC0415 - see resources.py

        return open_account(settings, self.database)

    def mail_duties(self, settings: Settings) -> list[Duty]:
        """Through SMTP_URL, and from Redis."""
        # Only the Supervisor sends any.
        from actors.mail import MailResources, duties, open_backend  # noqa: PLC0415
        from actors.mail.outbox import Outbox  # noqa: PLC0415
        from actors.mail.queries import StoredMailQueries  # noqa: PLC0415
        from actors.mail.tokens import EmailTokens  # noqa: PLC0415

        mail = MailResources(
            Outbox(self.database),
            EmailTokens(self.database),
            StoredMailQueries(self.database),
            open_backend(settings),
            self._subscribe,
        )
        return duties(mail, self.clock.now, public_url=settings.public_url)

    def event_duties(self, settings: Settings) -> list[Duty]:
        """Looking whether Redis still has what was published, and webhooks."""
        from actors.processes.webhooks import open_consumer, open_dispatcher  # noqa: PLC0415 - only the Supervisor
        from actors.webhooks.dispatcher import EVERY_SECONDS  # noqa: PLC0415

        consumer = open_consumer(self.database, self.clock, self._subscribe)
        dispatcher = open_dispatcher(settings, self.database, self.clock)
        self._webhook_tries = dispatcher.tries
        return [
            Duty("keep_event_stream", EPOCH_SECONDS, self.epoch_keeper(settings).round),
            Duty("feed_webhooks", 0.0, consumer.run_once),
            Duty("dispatch_webhooks", EVERY_SECONDS, dispatcher.sweep),
        ]

    def _subscribe(
        self, durable: str, subjects: Sequence[str], handle: Handle, begins_at: BeginsAt = first_event
    ) -> RunOnce:
        return self.consumer(durable, subjects, handle, begins_at).run_once

    def consumer(
        self, durable: str, subjects: Sequence[str], handle: Handle, begins_at: BeginsAt = first_event
    ) -> Consumer:
        """Hands events to `handle`, in this life of the process."""
        return Consumer(
            durable,
            subjects,
            handle,
            life=secrets.token_hex(8),
            redis=self.redis,
            positions=MongoPositions(self.database),
            history=self.history,
            begins_at=begins_at,
        )

    def epoch_keeper(self, settings: Settings, *, max_bytes: int = MAX_BYTES) -> EpochKeeper:
        """What notices that Redis lost events, and publishes them again."""
        return EpochKeeper(
            self.redis,
            MongoStreamStates(self.database),
            self.history,
            self.published_events,
            self.clock,
            retention_ms=settings.event_retention_seconds * 1_000,
            max_bytes=max_bytes,
        )

    def watched_servers(self) -> WatchedServers:
        """The database, Redis, and what is read there."""
        return WatchedServers(self.database, self.redis, self.clock.now, lambda: self._webhook_tries)

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
