"""The collection `favourites`: the tickets that people keep an eye on."""

from collections.abc import Sequence
from typing import Any

from pymongo import DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from actors.domain.instants import Instant
from actors.storage.database import despite_contention, ensure_indexes
from actors.storage.page import Page
from holdfast.batch_loader import BatchLoader

Document = dict[str, Any]
Key = tuple[str, str]


class Favourites:
    """Reads and writes them. All methods raise pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._favourites = database["favourites"]
        self._one = BatchLoader(self._are_kept)

    async def create_indexes(self) -> None:
        """Index what is asked for: those of a user, the newest first."""
        await ensure_indexes(self._favourites, IndexModel([("user_id", DESCENDING), ("by_newest", DESCENDING)]))

    async def is_kept(self, user_id: str, ticket_id: str) -> bool:
        """Whether the user keeps the ticket, read together with what other requests ask for."""
        return await self._one((user_id, ticket_id))

    async def _are_kept(self, keys: Sequence[Key]) -> list[bool]:
        ids = [_id(*key) for key in keys]
        found = await self._favourites.find({"_id": {"$in": ids}}, {"_id": 1}).to_list()
        kept = {document["_id"] for document in found}
        return [one in kept for one in ids]

    async def count(self, user_id: str) -> int:
        """Return how many the user keeps."""
        return await self._favourites.count_documents({"user_id": user_id})

    async def add(self, user_id: str, ticket_id: str, at: Instant) -> None:
        """Keep the ticket; what is kept already keeps its place."""
        document = {
            "_id": _id(user_id, ticket_id),
            "user_id": user_id,
            "ticket_id": ticket_id,
            "by_newest": f"{at:015d}{ticket_id}",
        }
        try:
            await despite_contention(lambda: self._favourites.insert_one(document))
        except DuplicateKeyError:
            return

    async def remove(self, user_id: str, ticket_id: str) -> None:
        """Keep the ticket no longer."""
        await despite_contention(lambda: self._favourites.delete_one({"_id": _id(user_id, ticket_id)}))

    async def of_user(self, user_id: str, limit: int, after: str | None = None) -> Page[str]:
        """Return ids of the tickets that the user keeps, the newest first."""
        wanted: Document = {"user_id": user_id}
        if after is not None:
            wanted["by_newest"] = {"$lt": after}
        found = await self._favourites.find(wanted).sort("by_newest", DESCENDING).limit(limit + 1).to_list()
        more = found[limit - 1]["by_newest"] if len(found) > limit else None
        return Page([document["ticket_id"] for document in found[:limit]], more)

    async def forget(self, user_id: str) -> None:
        """Delete all that the user keeps."""
        await despite_contention(lambda: self._favourites.delete_many({"user_id": user_id}))


def _id(user_id: str, ticket_id: str) -> str:
    return f"{user_id}{ticket_id}"
