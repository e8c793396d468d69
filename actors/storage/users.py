"""The collection `users`: the one place where a person's data is kept."""

from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from actors.domain.instants import Instant
from actors.storage.database import despite_contention, ensure_indexes
from actors.storage.user_flags import email_key

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """An account. `version` counts the changes that are announced as `UserUpdated`."""

    id: str
    email: str
    password_hash: str
    created_at: Instant
    version: int = 1
    is_admin: bool = False
    verified_at: Instant | None = None
    banned_at: Instant | None = None


class Users:
    """Reads and writes users. All methods raise pymongo's ConnectionFailure when the database does not answer.

    Each change sets the flag `announced`, by which the Supervisor finds users whose events it has to relay.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._users = database["users"]

    async def create_indexes(self) -> None:
        """Make sure that an email address can be in use once, also when two sign up at the same instant."""
        await ensure_indexes(
            self._users,
            IndexModel("email_key", unique=True),
            # Both are there only while the Supervisor has something to do.
            IndexModel("announced", sparse=True),
            IndexModel("unlisted_since", sparse=True),
            IndexModel("relisted_since", sparse=True),
        )

    async def add(self, user: User) -> bool:
        """Store a new user durably; False when the id or the email address is in use."""
        document = {
            "_id": user.id,
            "email": user.email,
            "email_key": email_key(user.email),
            "password_hash": user.password_hash,
            "created_at": user.created_at,
            "updated_at": user.created_at,
            "version": user.version,
            "announced": False,
        }
        try:
            await despite_contention(lambda: self._users.insert_one(document))
        except DuplicateKeyError:
            return False
        return True

    async def by_id(self, user_id: str) -> User | None:
        """Return the user of the id, None when there is none or the account was closed."""
        return _user(await self._users.find_one({"_id": user_id}))

    async def is_closed(self, user_id: str) -> bool:
        """Whether the account was closed."""
        closed = {"_id": user_id, "closed_at": {"$gt": 0}}
        return await self._users.find_one(closed, {"_id": 1}) is not None

    async def by_email(self, email: str) -> User | None:
        """Return the user of the email address, in any case."""
        return _user(await self._users.find_one({"email_key": email_key(email)}))

    async def upgrade_password_hash(self, user: User, password_hash: str) -> bool:
        """Store a better hash of the same password; False when the password was changed meanwhile."""
        known = {"_id": user.id, "password_hash": user.password_hash}
        better = {"$set": {"password_hash": password_hash}}
        result = await despite_contention(lambda: self._users.update_one(known, better))
        return result.matched_count == 1

    async def change_password(self, user: User, password_hash: str, at: Instant) -> bool:
        """Store the hash of a new password; False when the password was changed meanwhile."""
        return await self._change(
            {"_id": user.id, "password_hash": user.password_hash}, at, password_hash=password_hash
        )

    async def verify_email(self, user: User, at: Instant) -> bool:
        """Note that the address is the user's; False when it was verified before or is another by now."""
        known = {"_id": user.id, "email_key": email_key(user.email), "verified_at": None}
        return await self._change(known, at, verified_at=at)

    async def ban(self, user_id: str, at: Instant) -> bool:
        """Note that the user may not sign in, and that their tickets are to be withdrawn; False when that is so."""
        known = {"_id": user_id, "banned_at": None, "closed_at": None}
        return await self._change(known, at, banned_at=at, unlisted_since=at, relisted_since=None)

    async def unban(self, user_id: str, at: Instant) -> bool:
        """Let the user sign in again; False when they were not banned."""
        known = {"_id": user_id, "banned_at": {"$ne": None}, "closed_at": None}
        return await self._change(known, at, banned_at=None, unlisted_since=None, relisted_since=at)

    async def set_admin(self, user_id: str, at: Instant, *, is_admin: bool) -> bool:
        """Give or take the role; False when nothing changes."""
        return await self._change({"_id": user_id, "is_admin": {"$ne": is_admin}}, at, is_admin=is_admin)

    async def close(self, user_id: str, at: Instant) -> bool:
        """Erase what is known of the person, and have their tickets withdrawn. The id stays. False on a repeat."""
        known = {"_id": user_id, "closed_at": None}
        erased = dict.fromkeys(("email", "password_hash", "verified_at", "is_admin", "relisted_since"))
        # Email addresses are unique, and that of nobody has to be, too.
        return await self._change(known, at, **erased, email_key=f"closed {user_id}", closed_at=at, unlisted_since=at)

    async def _change(self, known: Document, at: Instant, **values: object) -> bool:
        gone = {name: "" for name, value in values.items() if value is None}
        there = {name: value for name, value in values.items() if value is not None}
        change: Document = {"$set": {**there, "updated_at": at, "announced": False}, "$inc": {"version": 1}}
        if gone:
            change["$unset"] = gone
        return (await despite_contention(lambda: self._users.update_one(known, change))).matched_count == 1


def _user(document: Document | None) -> User | None:
    if document is None or document.get("closed_at") is not None:
        return None
    return User(
        document["_id"],
        document["email"],
        document["password_hash"],
        document["created_at"],
        document["version"],
        document.get("is_admin") is True,
        document.get("verified_at"),
        document.get("banned_at"),
    )
