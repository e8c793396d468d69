"""The connection to MongoDB: how long it waits, what its failures mean, and the indexes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import structlog
from bson.errors import InvalidBSON
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError

from actors.cluster.names import DEFAULT_DATABASE
from actors.domain.codec import Document
from actors.runtime.ports import StoreUnavailableError
from actors.runtime.retry import backoff
from actors.storage.server import server_of

Database = AsyncDatabase[Document]
DUPLICATE_KEY = 11000
LONGEST_IDLE_MS = 120_000
# How long somebody who waits for an answer waits for the database; commands and upgrades are more patient.
REQUEST_PATIENCE_MS = 10_000
# MongoDB's WriteConflict, and the "deadlock detected" of DocumentDB on PostgreSQL: the server ended the statement so
# that another could go on, and nothing of it was written.
CONTENTION = {112, 16_908_292}
CONTENTION_TRIES = 5
CONTENTION_SECONDS = 0.02
# What pymongo raises over an answer that lacks what the protocol says is in it, besides its own errors.
ODD_ANSWERS = (InvalidBSON, LookupError, TypeError, ValueError, AttributeError)
T = TypeVar("T")
logger = structlog.get_logger(__name__)

INDEXES = {
    "journal": [IndexModel([("keys", ASCENDING)], unique=True)],
    "tickets": [
        IndexModel([("status", ASCENDING), ("by_newest", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("by_price", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("by_start", ASCENDING)]),
        IndexModel([("seller_id", ASCENDING), ("by_newest", ASCENDING)]),
        IndexModel([("words", ASCENDING)]),
        IndexModel([("by_waiter", ASCENDING)], sparse=True),
    ],
    "orders": [
        IndexModel([("buyer_id", ASCENDING), ("by_newest", ASCENDING)]),
        # One field and sparse: only orders that hold a ticket or have bought it are in it, not all it ever had.
        IndexModel([("by_live_ticket", ASCENDING)], sparse=True),
        # One field as well: buyer and hour in one value, so that a question for many buyers is a list of values.
        IndexModel([("by_unpaid_hold", ASCENDING)], sparse=True),
        IndexModel([("by_taken_back", ASCENDING)], sparse=True),
        IndexModel([("due_at", ASCENDING)], sparse=True),
        IndexModel([("unsettled_since", ASCENDING)], sparse=True),
    ],
    "charges": [
        IndexModel([("order_id", ASCENDING)]),
        IndexModel([("stripe_id", ASCENDING)], sparse=True),
        IndexModel([("unsettled_since", ASCENDING)], sparse=True),
        IndexModel([("by_payable_since", ASCENDING)], sparse=True),
        IndexModel([("by_failed_refund", ASCENDING)], sparse=True),
    ],
    "webhook_events": [IndexModel([("at", ASCENDING)]), IndexModel([("unhandled_since", ASCENDING)], sparse=True)],
    # Others of `users` are made with the repository of the API (users.py).
    "users": [IndexModel([("updated_at", ASCENDING)], sparse=True)],
    "cursors": [IndexModel([("at", ASCENDING)]), IndexModel([("ended_at", ASCENDING)], sparse=True)],
}


def connect(url: str, *, patience_ms: int = REQUEST_PATIENCE_MS) -> AsyncMongoClient[Document]:
    """A client that acknowledges writes once they are on disk, and that waits so long for an answer.

    What a URL says of reading and writing does not count: reads are the primary's, of what no election takes back, and
    writes are a majority's. Copied addresses often name a secondary, which knows nothing of the last moments.

    Repeats are ours to make: the driver's own would hide that an outcome is not known.
    """
    return AsyncMongoClient(
        url,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        readPreference="primary",
        # These go with another read preference only, and are refused beside this one.
        readPreferenceTags="",
        maxStalenessSeconds=-1,
        retryWrites=False,
        retryReads=False,
        # Also how long the first connection may take, to a server that others keep busy.
        serverSelectionTimeoutMS=1_000 if patience_ms <= REQUEST_PATIENCE_MS else 3_000,
        # Also how long the driver waits for a sign of life before it takes all that is under way for lost. With a tenth
        # of the patience, people got 503 while a busy machine started processes.
        connectTimeoutMS=patience_ms * 3 // 10,
        socketTimeoutMS=patience_ms,
        # Servers and firewalls close connections that were idle for some minutes, and the next command would fail.
        maxIdleTimeMS=LONGEST_IDLE_MS,
        appname="holdfast",
    )


def has_replicas(client: AsyncMongoClient[Document]) -> bool:
    """Whether the servers are a replica set or several, as far as the client has heard from them."""
    topology = client.topology_description
    members = topology.server_descriptions().values()
    return topology.topology_type_name.startswith(("ReplicaSet", "Sharded")) or any(
        member.server_type_name.startswith("RS") for member in members
    )


def database_of(client: AsyncMongoClient[Document]) -> Database:
    """The database that the URL names, `holdfast` when it names none."""
    return client.get_default_database(DEFAULT_DATABASE)


async def create_indexes(database: Database) -> None:
    """Creates what is missing. Raises StoreUnavailableError."""
    with reaching_the_database():
        for collection, indexes in INDEXES.items():
            await ensure_indexes(database[collection], *indexes)


async def ensure_indexes(collection: AsyncCollection[Document], *indexes: IndexModel) -> None:
    """Creates those that are missing. Raises PyMongoError."""
    server = await server_of(collection.database)
    await server.create_indexes(collection, indexes)


@contextmanager
def reaching_the_database() -> Iterator[None]:
    """Turns every failure of the database but duplicate keys into StoreUnavailableError: its outcome is not known.

    Also what is odd in its answers. Documents that we made too large or of what cannot be stored are bugs, and pass.
    """
    try:
        yield
    except (DuplicateKeyError, BulkWriteError):
        raise
    except (PyMongoError, *ODD_ANSWERS) as error:
        cause = failure_of(error)
        logger.warning("database_unavailable", error=cause)
        raise StoreUnavailableError(cause) from error


def failure_of(error: Exception) -> str:
    """What to call a failure of the database in logs: never its text, in which there may be input."""
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"


async def despite_contention(write: Callable[[], Awaitable[T]]) -> T:
    """The result of a write that may be done twice, tried again when the server ended it for another's sake.

    Raises what it raises at last.
    """
    for tries, pause_seconds in enumerate(islice(backoff(CONTENTION_SECONDS), CONTENTION_TRIES - 1), 1):
        try:
            return await write()
        except OperationFailure as error:
            if not _codes_of(error) & CONTENTION:
                raise
            logger.info("write_tried_again", error=failure_of(error), tries=tries)
        await asyncio.sleep(pause_seconds)
    return await write()


def _codes_of(error: OperationFailure) -> set[Any]:
    if isinstance(error, BulkWriteError):
        return {failure.get("code") for failure in error.details.get("writeErrors", ())}
    return {error.code}


def duplicates_of(error: BulkWriteError) -> list[int]:
    """The places of the writes that met a key that is taken; any other failure leaves the outcome unknown."""
    failures = error.details.get("writeErrors", ())
    is_known = failures and not error.details.get("writeConcernErrors")
    if not is_known or _codes_of(error) != {DUPLICATE_KEY}:
        raise unknown_outcome(error) from error
    with reaching_the_database():
        return [failure["index"] for failure in failures]


def unknown_outcome(error: BulkWriteError) -> StoreUnavailableError:
    """What to raise when writes failed for another reason than a key that is taken."""
    return StoreUnavailableError(" ".join(["BulkWriteError", *sorted(str(code) for code in _codes_of(error))]))
