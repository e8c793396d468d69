"""The marks in the users collection that say what is still to be announced."""

from actors.connections import UserMark
from actors.storage.database import Database, reaching_the_database

_FIELDS = {"created_at": 1, "updated_at": 1, "version": 1, "announced_version": 1}


class UserMarks:
    """Marks of users. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]

    async def unannounced(self, most: int) -> list[UserMark]:
        """Users that carry the mark."""
        with reaching_the_database():
            found = await self._users.find({"announced": False}, _FIELDS).limit(most).to_list()
        return [
            UserMark(
                document["_id"],
                document["created_at"],
                document.get("updated_at") or document["created_at"],
                document["version"],
                document.get("announced_version") or 0,
            )
            for document in found
        ]

    async def announced(self, user: UserMark) -> None:
        """Takes the mark away unless the user changed since."""
        known = {"_id": user.id, "version": user.version}
        with reaching_the_database():
            await self._users.update_one(
                known, {"$unset": {"announced": ""}, "$set": {"announced_version": user.version}}
            )
