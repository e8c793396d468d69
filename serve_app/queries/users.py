"""The collection `users`: the one place where a person's data is kept."""

import unicodedata
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from actors.domain.messages import Instant
from actors.storage.database import ensure_indexes

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    id: str
    email: str
    password_hash: str
    created_at: Instant
    version: int = 1


def email_key(email: str) -> str:
    """Return what makes an email address the same one: upper and lower case do not matter."""
    return unicodedata.normalize("NFC", email.casefold())


class Users:
    """Reads and writes users. All methods raise pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._users = database["users"]

    async def create_indexes(self) -> None:
        """Make sure that an email address can be in use once, also when two sign up at the same instant."""
        await ensure_indexes(self._users, IndexModel("email_key", unique=True))

    async def add(self, user: User) -> bool:
        """Store a new user durably; False when the id or the email address is in use.

        `announced` is the mark by which the Supervisor finds users whose `UserCreated` it has to journal.
        """
        try:
            await self._users.insert_one(
                {
                    "_id": user.id,
                    "email": user.email,
                    "email_key": email_key(user.email),
                    "password_hash": user.password_hash,
                    "created_at": user.created_at,
                    "version": user.version,
                    "announced": False,
                }
            )
        except DuplicateKeyError:
            return False
        return True

    async def by_id(self, user_id: str) -> User | None:
        """Return the user of the id."""
        return _user(await self._users.find_one({"_id": user_id}))

    async def by_email(self, email: str) -> User | None:
        """Return the user of the email address, in any case."""
        return _user(await self._users.find_one({"email_key": email_key(email)}))


def _user(document: Document | None) -> User | None:
    if document is None:
        return None
    return User(
        document["_id"], document["email"], document["password_hash"], document["created_at"], document["version"]
    )
