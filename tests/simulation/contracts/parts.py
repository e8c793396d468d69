"""What one process of the market is connected to, twice: real servers, and the fakes of a simulation."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import time
from typing import Protocol

from pymongo.errors import AutoReconnect
from redis.asyncio import Redis

from actors.events.consumer import Consumer, Handle
from actors.events.epochs import StreamStates
from actors.events.journal_history import ChangedUsers, JournalHistory, Writers
from actors.events.redis_stream import PublishedEvents, RedisEventStream
from actors.mail.outbox import MailStore, Outbox
from actors.mail.queries import StoredMailQueries
from actors.mail.sender import MailQueries, TokenMaker
from actors.mail.tokens import EmailTokens
from actors.payments.webhook_events import ReceivedWebhookEvent
from actors.processes.resources import EntityReads, Inbox
from actors.processes.servers import ProductionResources
from actors.runtime.ports import DocumentStore, EventStream, Instant, Journal, RecordedEvent
from actors.runtime.retry import retry
from actors.storage.event_stream import MongoStreamStates
from actors.storage.subscriptions import MongoPositions
from actors.storage.user_flags import MongoChangedUsers
from actors.storage.users import User, Users
from actors.stripe.webhooks import WebhookEvent
from actors.supervision.delisting import DelistingStore
from actors.supervision.recovery import WriterCheckpoints
from actors.supervision.user_events import PendingUserEvents
from holdfast.events import Event, Positions
from holdfast.events.partitions import EPOCH_KEYS
from tests.simulation.database import Tables
from tests.simulation.event_stores import FakeChangedUsers, FakePositions, FakeStreamStates
from tests.simulation.mail import FakeEmailTokens, FakeMailQueries, FakeOutbox, Mails
from tests.simulation.redis_client import client_of
from tests.simulation.redis_data import RedisData
from tests.simulation.server import Direct
from tests.simulation.stores import (
    FakeCheckpoints,
    FakeDelisting,
    FakeDocuments,
    FakeInbox,
    FakeJournal,
    FakePendingUserEvents,
    FakeQueries,
)
from tests.support.event_streams import published_events

PAUSES = (0.2, 1.0, 5.0)
COLLECTIONS = (
    "journal",
    "tickets",
    "orders",
    "charges",
    "cursors",
    "webhook_events",
    "users",
    "mails",
    "email_tokens",
    "subscriptions",
    "event_stream",
)


class WholeJournal(Journal, Protocol):
    """The journal, as those see it who read a ticket's history."""

    async def history(self, entity: str, after: int = 0, limit: int = 200) -> list[RecordedEvent]:
        """Some events of one entity in order."""

    async def committed_at(self, writer: str, seq: int) -> Instant | None:
        """When the commit was made."""


class WholeCheckpoints(WriterCheckpoints, Writers, Protocol):
    """The checkpoints, as those see them who read the journal by time."""


class WholeInbox(Inbox, Protocol):
    """The inbox, as our webhook sees it."""

    async def add(self, event: WebhookEvent, at: Instant) -> ReceivedWebhookEvent | None:
        """Keeps the webhook event; None when it was here before."""


class EventConsumer(Protocol):
    """Reads the stream, and goes on where another one of its name stopped."""

    async def run_once(self) -> None:
        """Handle what there is, or wait for it."""

    async def close(self) -> None:
        """Leave the rest to another one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a consumer of the stream reads of one event."""

    id: str
    subject: str
    entity: str
    version: int
    at: Instant


class Parts(ABC):
    """Empty at the beginning of a test, but for the stream."""

    journal: WholeJournal
    documents: DocumentStore
    checkpoints: WholeCheckpoints
    queries: EntityReads
    inbox: WholeInbox
    pending_users: PendingUserEvents
    delisting: DelistingStore
    outbox: MailStore
    tokens: TokenMaker
    mail_queries: MailQueries
    stream: EventStream
    redis: Redis
    positions: Positions
    states: StreamStates
    users: ChangedUsers

    @abstractmethod
    async def add_user(self, user_id: str, at: Instant) -> None:
        """Somebody signs up."""

    @abstractmethod
    async def change_user(self, user_id: str, at: Instant) -> None:
        """Something about them changes, and is to be published."""

    @abstractmethod
    async def ban(self, user_id: str, at: Instant = 1) -> bool:
        """Somebody may neither buy nor sell any more; False when that is so."""

    @abstractmethod
    async def unban(self, user_id: str, at: Instant) -> bool:
        """They may again; False when they were not banned."""

    @abstractmethod
    async def close(self, user_id: str, at: Instant) -> bool:
        """Somebody leaves; False on a repeat."""

    @abstractmethod
    async def tokens_kept(self) -> int:
        """How many tokens there are."""

    @abstractmethod
    def consumer(self, durable: str, subjects: Sequence[str], handle: Handle) -> EventConsumer:
        """Somebody reads the stream."""

    async def entries(self) -> list[Event]:
        """Everything in the stream, in the order of publishing."""
        return await published_events(self.redis)

    async def told(self, *entities: str) -> list[Told]:
        """What the stream has of these entities, in its order."""
        return [
            Told(event.id, event.subject, event.entity, event.version, event.time_ms)
            for event in await self.entries()
            if event.entity in entities
        ]


class RealParts(Parts):
    """On the servers of the test run."""

    def __init__(self, servers: ProductionResources) -> None:
        self._servers = servers
        self.client = servers.client
        self._users = Users(servers.database)
        self.journal = servers.journal  # type: ignore[assignment]  # MongoJournal, which has a history
        self.documents = servers.documents
        self.checkpoints = servers.checkpoints  # type: ignore[assignment]  # MongoCheckpoints, which knows all writers
        self.queries = servers.queries
        self.inbox = servers.inbox  # type: ignore[assignment]  # WebhookInbox, which takes webhook events
        self.pending_users = servers.pending_user_events
        self.delisting = servers.delisting
        self.outbox = Outbox(servers.database)
        self.tokens = EmailTokens(servers.database)
        self.mail_queries = StoredMailQueries(servers.database)
        self.stream = servers.stream
        self.redis = servers.redis
        self.positions = MongoPositions(servers.database)
        self.states = MongoStreamStates(servers.database)
        self.users = MongoChangedUsers(servers.database)

    async def empty(self) -> None:
        await self._servers.redis.mset(dict.fromkeys(EPOCH_KEYS, "test"))
        # Others have used the same Redis since: a publisher that finds another epoch raises once.
        self.stream = RedisEventStream(self._servers.redis, self._servers.published_events)
        for collection in COLLECTIONS:
            everything = partial(self._servers.database[collection].delete_many, {})
            await retry(everything, AutoReconnect, PAUSES)  # on a busy machine pymongo may take it for away

    async def add_user(self, user_id: str, at: Instant) -> None:
        assert await self._users.add(User(user_id, f"{user_id}@example.org", "", at, 1))

    async def change_user(self, user_id: str, at: Instant) -> None:
        assert await self._users.ban(user_id, at) or await self._users.unban(user_id, at)

    async def ban(self, user_id: str, at: Instant = 1) -> bool:
        return await self._users.ban(user_id, at)

    async def unban(self, user_id: str, at: Instant) -> bool:
        return await self._users.unban(user_id, at)

    async def close(self, user_id: str, at: Instant) -> bool:
        return await self._users.close(user_id, at)

    async def tokens_kept(self) -> int:
        return await self._servers.database["email_tokens"].count_documents({})

    def consumer(self, durable: str, subjects: Sequence[str], handle: Handle) -> EventConsumer:
        return self._servers.consumer(durable, subjects, handle)


class FakeParts(Parts):
    """On the tables of a simulation, without a network."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._mails = Mails()
        server = Direct()
        self.journal = FakeJournal(server, self._tables)
        self.documents = FakeDocuments(server, self._tables)
        self.checkpoints = FakeCheckpoints(server, self._tables)
        self.queries = FakeQueries(server, self._tables, self.journal)
        self.inbox = FakeInbox(server, self._tables)
        self.pending_users = FakePendingUserEvents(server, self._tables.accounts)
        self.delisting = FakeDelisting(server, self._tables)
        self.outbox = FakeOutbox(server, self._mails)
        self.tokens = FakeEmailTokens(server, self._mails)
        self.mail_queries = FakeMailQueries(server, self._tables)
        data = RedisData(lambda: int(time() * 1000))
        data.mset(dict.fromkeys(EPOCH_KEYS, "test"))
        self.redis = client_of(server, data)
        self.positions = FakePositions(server, self._tables)
        self.states = FakeStreamStates(server, self._tables)
        self.users = FakeChangedUsers(server, self._tables.accounts)
        self._history = JournalHistory(self.journal, self.checkpoints, self.users, "")
        self.stream = RedisEventStream(self.redis, PublishedEvents(self._history, ""))

    async def add_user(self, user_id: str, at: Instant) -> None:
        self._tables.accounts.add(user_id, at)

    async def change_user(self, user_id: str, at: Instant) -> None:
        self._tables.accounts.change(user_id, at)

    async def ban(self, user_id: str, at: Instant = 1) -> bool:
        return self._tables.accounts.ban(user_id, at)

    async def unban(self, user_id: str, at: Instant) -> bool:
        return self._tables.accounts.unban(user_id, at)

    async def close(self, user_id: str, at: Instant) -> bool:
        return self._tables.accounts.close(user_id, at)

    async def tokens_kept(self) -> int:
        return len(self._mails.tokens)

    def consumer(self, durable: str, subjects: Sequence[str], handle: Handle) -> EventConsumer:
        return Consumer(
            durable, subjects, handle, life=secrets.token_hex(8), redis=self.redis, positions=self.positions,
            history=self._history,
        )  # fmt: skip
