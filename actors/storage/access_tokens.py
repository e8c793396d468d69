"""The collection `access_tokens`: what programs show instead of a session, by the digests of their secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from actors.domain.instants import Instant
from actors.storage.database import despite_contention, ensure_indexes

Document = dict[str, Any]
AccessScope: TypeAlias = Literal["read", "buy", "sell"]
SCOPES: tuple[AccessScope, ...] = get_args(AccessScope)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that was not revoked. `used_at` is the hour of its last use, None before the first."""

    id: str
    user_id: str
    name: str
    scopes: tuple[AccessScope, ...]
    digest: str
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None = None


class AccessTokenRecords:
    """Reads and writes tokens. All methods raise pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._tokens = database["access_tokens"]

    async def create_indexes(self) -> None:
        """Index what is asked for."""
        await ensure_indexes(self._tokens, IndexModel("user_id"), IndexModel("expires_at"))

    async def add(self, token: AccessToken) -> bool:
        """Store a new token durably; False when its id is in use."""
        document = {
            "_id": token.id,
            "user_id": token.user_id,
            "name": token.name,
            "scopes": list(token.scopes),
            "digest": token.digest,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
        }
        try:
            await despite_contention(lambda: self._tokens.insert_one(document))
        except DuplicateKeyError:
            return False
        return True

    async def by_id(self, token_id: str) -> AccessToken | None:
        """Return the token unless it was revoked."""
        document = await self._tokens.find_one({"_id": token_id})
        return None if document is None else _token(document)

    async def of_user(self, user_id: str) -> Sequence[AccessToken]:
        """Return the user's tokens, the newest first."""
        tokens = [_token(document) async for document in self._tokens.find({"user_id": user_id})]
        return sorted(tokens, key=lambda token: (token.created_at, token.id), reverse=True)

    async def touch(self, token_id: str, used_at: Instant) -> None:
        """Note when the token was used."""
        used = {"$set": {"used_at": used_at}}
        await despite_contention(lambda: self._tokens.update_one({"_id": token_id}, used))

    async def remove(self, token_ids: Sequence[str]) -> None:
        """Revoke the tokens durably."""
        await despite_contention(lambda: self._tokens.delete_many({"_id": {"$in": sorted(token_ids)}}))

    async def drop_expired(self, now: Instant) -> None:
        """Forget the tokens whose time is over."""
        await despite_contention(lambda: self._tokens.delete_many({"expires_at": {"$lte": now}}))


def _token(document: Document) -> AccessToken:
    return AccessToken(
        document["_id"],
        document["user_id"],
        document["name"],
        tuple(document["scopes"]),
        document["digest"],
        document["created_at"],
        document["expires_at"],
        document.get("used_at"),
    )
