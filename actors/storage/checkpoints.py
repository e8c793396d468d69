"""The cursors collection: how far each writer's commits are relayed."""

from collections.abc import Collection

from actors.domain.codec import Document
from actors.runtime.ports import Checkpoint, Instant
from actors.storage.database import Database, despite_contention, reaching_the_database


class MongoCheckpoints:
    """Checkpoints in MongoDB, one document for each writer. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._cursors = database["cursors"]

    async def save(self, checkpoint: Checkpoint) -> None:
        # The writer and the Supervisor may save at the same time, when it was thought dead.
        further = {"applied": checkpoint.applied, "published": checkpoint.published, "at": checkpoint.at}
        update: Document = {"$max": further, "$setOnInsert": {"host": checkpoint.host}}
        with reaching_the_database():
            await despite_contention(lambda: self._cursors.update_one({"_id": checkpoint.writer}, update, upsert=True))

    async def remove(self, writer: str) -> None:
        # What remains says which writers there ever were, for whoever reads the journal by time.
        with reaching_the_database():
            await despite_contention(lambda: self._cursors.update_one({"_id": writer}, {"$rename": {"at": "ended_at"}}))

    async def published(self, writers: Collection[str]) -> dict[str, int]:
        with reaching_the_database():
            running = {"_id": {"$in": list(writers)}, "at": {"$gte": 0}}
            found = await self._cursors.find(running, {"published": 1}).to_list()
        return {document["_id"]: document["published"] for document in found}

    async def all(self) -> list[Checkpoint]:
        """The checkpoints of all writers that are not known to have ended with everything relayed."""
        with reaching_the_database():
            found = await self._cursors.find({"at": {"$gte": 0}}).to_list()
        return [
            Checkpoint(document["_id"], document["host"], document["applied"], document["published"], document["at"])
            for document in found
        ]

    async def writers_since(self, at: Instant) -> dict[str, int]:
        """All writers that saved a checkpoint at this instant or later, each with the number of a commit of theirs."""
        found: list[Document] = []
        with reaching_the_database():
            for field in ("at", "ended_at"):
                found += await self._cursors.find({field: {"$gte": at}}, {"applied": 1}).to_list()
        return {document["_id"]: document["applied"] for document in found}
