"""The embedded database, and how it is asked for what it does slowly."""

from collections.abc import Sequence
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.codec import Document
from actors.read_model.projections import FIRST_PROJECTION
from actors.runtime.ports import commit_id
from actors.storage.catalogue import Catalogue
from actors.storage.embedded.catalogue import EmbeddedCatalogue
from actors.storage.orders import Orders
from actors.storage.server import MongoServer


class EmbeddedServer(MongoServer):
    """SecantusDB."""

    is_embedded = True

    def catalogue(self, database: AsyncDatabase[Document], orders: Orders) -> Catalogue:
        """See MongoServer; `embedded/catalogue.py` says when this can go."""
        return EmbeddedCatalogue(database, orders)

    def commits_after(self, writer: str, seq: int, limit: int) -> Document:
        """See MongoServer. Their ids follow each other, and of a range of ids it reads the whole collection.

        To be deleted when `test_a_range_of_ids_is_looked_for_in_the_whole_collection` fails.
        """
        return {"$in": [commit_id(writer, later) for later in range(seq + 1, seq + 1 + limit)]}

    async def create_indexes(self, collection: AsyncCollection[Document], indexes: Sequence[IndexModel]) -> None:
        """See MongoServer. It looks first: asked to create what is there, the database waits for its own writing.

        That is up to 4 s under load (measured), while who starts again has three. To be deleted when
        `test_creating_an_index_that_is_there_waits_for_writing` fails.
        """
        there = await collection.index_information()
        if missing := [index for index in indexes if index.document["name"] not in there]:
            await super().create_indexes(collection, missing)

    async def replace(self, collection: AsyncCollection[Document], documents: Sequence[Document]) -> int:
        """See MongoServer. All go in one statement: many are as many transactions, each with its own fsync.

        1.4 ms of its processor time each, against 0.6 ms in one statement (measured, 5 to 50 documents). To be deleted
        when `test_many_replacements_take_much_longer_than_one_statement` fails.
        """
        ids = [document["_id"] for document in documents]
        return (await collection.update_many({"_id": {"$in": ids}}, _by_newer(documents))).matched_count


def _by_newer(documents: Sequence[Document]) -> list[Document]:
    """Return the update of documents by those of these that are newer."""
    place: Document = {"$indexOfArray": [{"$literal": [document["_id"] for document in documents]}, "$_id"]}
    new: Document = {"$arrayElemAt": [{"$literal": documents}, place]}
    same_state = {"$eq": ["$version", "$$new.version"]}
    newer_projection = {"$lt": [{"$ifNull": ["$projection", FIRST_PROJECTION]}, "$$new.projection"]}
    newer = {"$or": [{"$lt": ["$version", "$$new.version"]}, {"$and": [same_state, newer_projection]}]}
    chosen: list[Any] = [newer, "$$new", "$$ROOT"]
    return [{"$replaceWith": {"$let": {"vars": {"new": new}, "in": {"$cond": chosen}}}}]
