"""The collection `security_events`: who did what to whose access, for 90 days."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bson import ObjectId
from pymongo import DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from actors.domain.account_events import SecurityEvent
from actors.domain.codec import event_name
from actors.domain.instants import Instant
from actors.storage.database import despite_contention, duplicates_of, ensure_indexes, reaching_the_database
from actors.storage.page import Page

Document = dict[str, Any]

KEPT_MS = 90 * 86_400_000


@dataclass(frozen=True, slots=True)
class SecurityRecord:
    """An event of a name, with its ids, as often as it happened within about a second."""

    type: str
    at: Instant
    data: Document


class SecurityEventRecords:
    """Writes and reads security events. All methods raise StoreUnavailableError."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._events = database["security_events"]

    async def create_indexes(self) -> None:
        """Index what is asked for. Raises PyMongoError."""
        await ensure_indexes(
            self._events, IndexModel("at"), IndexModel([("user_id", DESCENDING), ("by_newest", DESCENDING)])
        )

    async def add(self, documents: Sequence[Document]) -> None:
        """Store what `document_of` made, in one statement. What was stored before is left as it is."""
        with reaching_the_database():
            try:
                await despite_contention(lambda: self._events.insert_many(documents, ordered=False))
            except BulkWriteError as error:
                duplicates_of(error)

    async def of_user(self, user_id: str, limit: int, after: str | None = None) -> Page[SecurityRecord]:
        """Return what happened to the access of a user, the newest first."""
        query: Document = {"user_id": user_id}
        if after is not None:
            query["by_newest"] = {"$lt": after}
        with reaching_the_database():
            found = await self._events.find(query).sort("by_newest", DESCENDING).limit(limit + 1).to_list()
        more = found[limit - 1]["by_newest"] if len(found) > limit else None
        return Page([_record(document) for document in found[:limit]], more)

    async def drop_old(self, now: Instant) -> None:
        """Delete what is older than 90 days. Our own deletion: not every server with this protocol has TTL indexes."""
        with reaching_the_database():
            await despite_contention(lambda: self._events.delete_many({"at": {"$lt": now - KEPT_MS}}))


def document_of(event: SecurityEvent, at: Instant, count: int = 1) -> Document:
    """Return the event as it is stored, under a new id."""
    event_id = ObjectId()
    document = {"_id": event_id, "at": at, "by_newest": f"{at:015d}{event_id}", "type": event_name(event)}
    document |= {name: value for name, value in asdict(event).items() if value is not None}
    if count > 1:
        document["count"] = count
    return document


def _record(document: Document) -> SecurityRecord:
    hidden = ("_id", "at", "by_newest", "type", "user_id")
    return SecurityRecord(
        document["type"], document["at"], {name: value for name, value in document.items() if name not in hidden}
    )
