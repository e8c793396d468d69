"""The connection to MongoDB: how long it waits, what its failures mean, and the indexes."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from actors.domain.codec import Document
from actors.runtime.ports import StoreUnavailableError

Database = AsyncDatabase[Document]
DEFAULT_NAME = "holdfast"
DUPLICATE_KEY = 11000
logger = structlog.get_logger(__name__)

INDEXES = {
    "journal": [IndexModel([("keys", ASCENDING)], unique=True)],
    "tickets": [
        IndexModel([("status", ASCENDING), ("by_newest", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("by_price", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("by_start", ASCENDING)]),
        IndexModel([("seller_id", ASCENDING), ("by_newest", ASCENDING)]),
        IndexModel([("words", ASCENDING)]),
    ],
    "orders": [
        IndexModel([("buyer_id", ASCENDING), ("by_newest", ASCENDING)]),
        # One field and sparse: the embedded database reads every order that a ticket ever had by any index with its id.
        IndexModel([("live_ticket_id", ASCENDING)], sparse=True),
        IndexModel([("due_at", ASCENDING)], sparse=True),
        IndexModel([("unsettled_since", ASCENDING)], sparse=True),
    ],
    "charges": [
        IndexModel([("order_id", ASCENDING)]),
        IndexModel([("stripe_id", ASCENDING)], sparse=True),
        IndexModel([("unsettled_since", ASCENDING)], sparse=True),
    ],
    "webhook_events": [IndexModel([("at", ASCENDING)]), IndexModel([("unhandled_since", ASCENDING)], sparse=True)],
    "cursors": [IndexModel([("at", ASCENDING)])],
}


def connect(url: str, *, patience_ms: int = 10_000) -> AsyncMongoClient[Document]:
    """A client that acknowledges writes once they are on disk, and that waits so long for an answer.

    Repeats are ours to make: the driver's own would hide that an outcome is not known.
    """
    return AsyncMongoClient(
        url,
        w="majority",
        journal=True,
        retryWrites=False,
        retryReads=False,
        serverSelectionTimeoutMS=1_000,
        # Also how long the driver waits for a sign of life before it takes all that is under way for lost.
        connectTimeoutMS=patience_ms // 10,
        socketTimeoutMS=patience_ms,
        appname="holdfast",
    )


def database_of(client: AsyncMongoClient[Document]) -> Database:
    """The database that the URL names, `holdfast` when it names none."""
    return client.get_default_database(DEFAULT_NAME)


async def create_indexes(database: Database) -> None:
    """Creates what is missing. Raises StoreUnavailableError."""
    with reaching_the_database():
        for collection, indexes in INDEXES.items():
            await ensure_indexes(database[collection], *indexes)


async def ensure_indexes(collection: AsyncCollection[Document], *indexes: IndexModel) -> None:
    """Creates those that are missing. Raises PyMongoError.

    It looks first: asked to create what is there, the embedded database waits for its own writing, up to 4 s under
    load (measured), while whoever starts again has three.
    """
    there = await collection.index_information()
    if missing := [index for index in indexes if index.document["name"] not in there]:
        await collection.create_indexes(missing)


@contextmanager
def reaching_the_database() -> Iterator[None]:
    """Turns every failure of the database but duplicate keys into StoreUnavailableError: its outcome is not known."""
    try:
        yield
    except (DuplicateKeyError, BulkWriteError):
        raise
    except PyMongoError as error:
        logger.warning("database_unavailable", error=type(error).__name__)
        raise StoreUnavailableError(type(error).__name__) from error


def duplicates_of(error: BulkWriteError) -> list[int]:
    """The places of the writes that met a key that is taken; any other failure leaves the outcome unknown."""
    failures = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(failure["code"] != DUPLICATE_KEY for failure in failures):
        raise StoreUnavailableError("BulkWriteError") from error
    return [failure["index"] for failure in failures]
