"""The collection `revocations`: sessions that ended before their time."""

from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from actors.domain.instants import Instant
from actors.storage.database import despite_contention, ensure_indexes

Document = dict[str, Any]


class RevocationRecords:
    """Reads and writes revocations. All methods raise pymongo's ConnectionFailure when the database is away."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._revocations = database["revocations"]

    async def create_indexes(self) -> None:
        """Index what the replicas ask for every few seconds."""
        await ensure_indexes(self._revocations, IndexModel("at"))

    async def add(self, session_id: str, at: Instant, expires_at: Instant) -> None:
        """Store durably that the session is over; a repeat changes nothing."""
        document = {"_id": session_id, "at": at, "expires_at": expires_at}
        try:
            await despite_contention(lambda: self._revocations.insert_one(document))
        except DuplicateKeyError:
            return

    async def since(self, at: Instant) -> dict[str, Instant]:
        """Return the end of each session that was revoked at or after the instant."""
        found = self._revocations.find({"at": {"$gte": at}})
        return {document["_id"]: document["expires_at"] async for document in found}

    async def drop_before(self, at: Instant) -> None:
        """Forget what was revoked before the instant."""
        await despite_contention(lambda: self._revocations.delete_many({"at": {"$lt": at}}))
