"""Writing documents whole: an insert for what is new, a replace guarded by the version for what exists."""

from collections import defaultdict
from collections.abc import Sequence

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from actors.runtime.ports import Projection
from actors.storage.database import Database, duplicates_of, reaching_the_database


class MongoDocuments:
    """Documents in MongoDB; any applier may write any of them at any time, twice and in any order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, projections: Sequence[Projection]) -> None:
        """Writes each document unless one of the same or a newer version is there. Raises StoreUnavailableError."""
        by_collection: dict[str, list[Projection]] = defaultdict(list)
        for projection in projections:
            by_collection[projection.collection].append(projection)
        for collection, group in by_collection.items():
            exist = await self._insert(collection, [projection for projection in group if projection.is_new])
            await self._replace(collection, [projection for projection in group if not projection.is_new] + exist)

    async def _insert(self, collection: str, projections: list[Projection]) -> list[Projection]:
        """Inserts in one command, a third of the cost of replacing; returns those that exist already."""
        if not projections:
            return []
        documents = [projection.document() for projection in projections]
        try:
            with reaching_the_database():
                await self._database[collection].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return [projections[place] for place in duplicates_of(error)]
        return []

    async def _replace(self, collection: str, projections: list[Projection]) -> None:
        if not projections:
            return
        # Where a newer version is there the guard does not match and the upsert meets the `_id`.
        writes = [
            ReplaceOne({"_id": one.id, "version": {"$lt": one.version}}, one.document(), upsert=True)
            for one in projections
        ]
        try:
            with reaching_the_database():
                await self._database[collection].bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            met = [projections[place] for place in duplicates_of(error)]
            await self._replace_what_is_older(collection, met)

    async def _replace_what_is_older(self, collection: str, projections: list[Projection]) -> None:
        """What an upsert met is newer, or an older one that came between its guard and its insert."""
        writes = [ReplaceOne({"_id": one.id, "version": {"$lt": one.version}}, one.document()) for one in projections]
        with reaching_the_database():
            await self._database[collection].bulk_write(writes, ordered=False)
