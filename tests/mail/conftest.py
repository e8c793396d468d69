"""An outbox in a database of its own, with somebody to write to and something to write about."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from bson import ObjectId

from actors.domain.ticket_values import Order, TicketDetails
from actors.mail.backends import NotSentError
from actors.mail.outbox import Outbox
from actors.mail.queries import StoredMailQueries
from actors.mail.sender import Sender
from actors.mail.templates import Message
from actors.mail.tokens import EmailTokens
from actors.read_model.projections import order_document, ticket_document
from actors.storage.database import Database, connect, database_of
from actors.storage.users import User, Users
from tests.support.examples import SALE, START, creation, order_of, reservation, ticket_after

NOW = 1_800_000_000_000
DETAILS = TicketDetails(
    "Chamber music", 5_000, "usd", venue="Konzerthaus", city="Wien", starts_at=1_800_100_800_000, category="concert"
)
PUBLIC_URL = "https://tickets.example"


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[Database]:
    async with connect(urlsplit(mongodb_url)._replace(path=f"/m{ObjectId()}").geturl()) as client:
        database = database_of(client)
        await Users(database).create_indexes()
        await Outbox(database).create_indexes()
        await EmailTokens(database).create_indexes()
        yield database


class FakeEmailBackend:
    """Keeps what it was given; fails as often as it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Message]] = []
        self.was_given = asyncio.Event()
        self.failures = 0

    async def send(self, mail_id: str, address: str, content: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise NotSentError("refused")
        self.sent.append((mail_id, address, content))
        self.was_given.set()


@dataclass
class Mailing:
    """Everything, and a clock that stands still until it is told."""

    database: Database
    backend: FakeEmailBackend
    outbox: Outbox
    tokens: EmailTokens
    users: Users
    now: int = NOW

    def __post_init__(self) -> None:
        queries = StoredMailQueries(self.database)
        self.sender = Sender(
            self.outbox, self.tokens, queries, self.backend, public_url=PUBLIC_URL, now=lambda: self.now
        )

    async def someone(self, email: str = "ada@example.com") -> User:
        user = User(str(ObjectId()), email, "hash", NOW)
        assert await self.users.add(user)
        return user

    async def bought(self, buyer_id: str) -> Order:
        """A complete order of the buyer, in its document."""
        ticket = ticket_after(creation(DETAILS), reservation(buyer_id=buyer_id), START, SALE)
        await self.database["tickets"].insert_one(ticket_document(ticket))
        await self.database["orders"].insert_one(order_document(order_of(ticket)))
        return order_of(ticket)


@pytest.fixture
def mailing(database: Database) -> Mailing:
    return Mailing(database, FakeEmailBackend(), Outbox(database), EmailTokens(database), Users(database))
