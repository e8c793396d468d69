"""Which kind of server the database is, and what is asked of it in another way for that reason.

All else is the same for every server. What one of them cannot do well is worked around in a folder of its own.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from pymongo import AsyncMongoClient, IndexModel, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from actors.domain.codec import Document
from actors.read_model.projections import FIRST_PROJECTION
from actors.runtime.ports import commit_id
from actors.storage.catalogue import Catalogue, MongoCatalogue
from actors.storage.orders import Orders

# What SecantusDB has in its buildInfo, and no other server.
_EMBEDDED = "secantusVersion"
# Unauthorized and CommandNotFound: a server that does not tell is asked as MongoDB is.
_UNTOLD = {13, 59}


class MongoServer:
    """MongoDB, and every server that does as it does. All methods that ask it something raise PyMongoError."""

    # Whether it is the kind that `holdfast up` brings along, which is not for money (docs/production.md).
    is_embedded = False

    def catalogue(self, database: AsyncDatabase[Document], orders: Orders) -> Catalogue:
        """Return what reads lists of tickets."""
        return MongoCatalogue(database, orders)

    def commits_after(self, writer: str, seq: int, limit: int) -> Document:
        """Return the condition for the ids of a writer's commits in the next `limit` places after `seq`."""
        return {"$gt": commit_id(writer, seq), "$lte": commit_id(writer, seq + limit)}

    async def create_indexes(self, collection: AsyncCollection[Document], indexes: Sequence[IndexModel]) -> None:
        """Create those that are missing."""
        await collection.create_indexes(list(indexes))

    async def replace(self, collection: AsyncCollection[Document], documents: Sequence[Document]) -> int:
        """Replace each document that exists in an older version, or in this one and an older projection.

        Return of how many it is known that they exist. Of those that are not older it need not be.
        """
        replacements = [
            ReplaceOne({"_id": document["_id"], "$or": _older(document)}, document) for document in documents
        ]
        return (await collection.bulk_write(replacements)).matched_count


def _older(document: Document) -> list[Document]:
    version, projection = document["version"], document.get("projection")
    if projection is None:
        return [{"version": {"$lt": version}}]
    older = [{"projection": {"$lt": projection}}]
    if projection > FIRST_PROJECTION:
        older.append({"projection": {"$exists": False}})
    return [{"version": {"$lt": version}}, {"version": version, "$or": older}]


_known: WeakKeyDictionary[AsyncMongoClient[Document], MongoServer] = WeakKeyDictionary()


async def server_of(database: AsyncDatabase[Document]) -> MongoServer:
    """Return what kind of server it is. It is asked once for each client. Raises PyMongoError."""
    if (server := _known.get(database.client)) is None:
        server = _known[database.client] = await _ask(database.client)
    return server


async def _ask(client: AsyncMongoClient[Document]) -> MongoServer:
    try:
        build = await client.admin.command("buildInfo")
    except OperationFailure as error:
        if error.code not in _UNTOLD:
            raise
        return MongoServer()
    if _EMBEDDED not in build:
        return MongoServer()
    # Not before: with another server none of it is loaded.
    from actors.storage.embedded.server import EmbeddedServer  # noqa: PLC0415

    return EmbeddedServer()
