"""The marks in the users collection that say whose sign-up is still to be announced."""

from actors.runtime.ports import Instant
from actors.storage.database import Database, reaching_the_database


class UserMarks:
    """Marks of users. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]

    async def unannounced(self, most: int) -> list[tuple[str, Instant]]:
        """The ids of marked users and when they signed up."""
        with reaching_the_database():
            found = await self._users.find({"announced": False}, {"created_at": 1}).limit(most).to_list()
        return [(document["_id"], document["created_at"]) for document in found]

    async def announced(self, user_id: str) -> None:
        """Takes the mark away."""
        with reaching_the_database():
            await self._users.update_one({"_id": user_id}, {"$unset": {"announced": ""}})
