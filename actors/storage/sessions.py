"""The collection `sessions`: who is signed in, since when, and until when if nothing more is heard of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.instants import Instant
from actors.storage.database import despite_contention, ensure_indexes

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session that has not ended. `seen_at` is the last renewal of its token."""

    id: str
    user_id: str
    created_at: Instant
    seen_at: Instant
    ends_at: Instant


class SessionRecords:
    """Reads and writes sessions. All methods raise pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._sessions = database["sessions"]

    async def create_indexes(self) -> None:
        """Index what is asked for."""
        await ensure_indexes(self._sessions, IndexModel("user_id"), IndexModel("ends_at"))

    async def add(self, record: SessionRecord) -> None:
        """Store a new session durably."""
        document = {
            "_id": record.id,
            "user_id": record.user_id,
            "created_at": record.created_at,
            "seen_at": record.seen_at,
            "ends_at": record.ends_at,
        }
        await despite_contention(lambda: self._sessions.insert_one(document))

    async def by_id(self, session_id: str) -> SessionRecord | None:
        """Return the session unless it was ended."""
        document = await self._sessions.find_one({"_id": session_id})
        return None if document is None else _record(document)

    async def of_user(self, user_id: str) -> Sequence[SessionRecord]:
        """Return the user's sessions, the one that was seen last first."""
        records = [_record(document) async for document in self._sessions.find({"user_id": user_id})]
        return sorted(records, key=lambda record: record.seen_at, reverse=True)

    async def touch(self, session_id: str, now: Instant, ends_at: Instant) -> bool:
        """Note that the session is in use; False when it has been ended meanwhile."""
        seen = {"$set": {"seen_at": now, "ends_at": ends_at}}
        result = await despite_contention(lambda: self._sessions.update_one({"_id": session_id}, seen))
        return result.matched_count == 1

    async def remove(self, session_ids: Sequence[str]) -> None:
        """End the sessions durably."""
        await despite_contention(lambda: self._sessions.delete_many({"_id": {"$in": sorted(session_ids)}}))

    async def drop_ended(self, now: Instant) -> None:
        """Forget the sessions whose time is over."""
        await despite_contention(lambda: self._sessions.delete_many({"ends_at": {"$lte": now}}))


def _record(document: Document) -> SessionRecord:
    return SessionRecord(
        document["_id"], document["user_id"], document["created_at"], document["seen_at"], document["ends_at"]
    )
