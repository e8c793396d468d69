"""The collection `email_tokens`: what shows that somebody can read mail to an address. Only digests are stored."""

import hashlib
import secrets
from dataclasses import dataclass

from pymongo import IndexModel

from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.mail.templates import MailKind
from actors.storage.database import Database, despite_contention, ensure_indexes, reaching_the_database

LIFETIMES_MS = {MailKind.VERIFICATION: 86_400_000, MailKind.PASSWORD_RESET: 3_600_000}


@dataclass(frozen=True, slots=True)
class EmailToken:
    """A token that was sent to a user's address as it was then."""

    digest: str
    purpose: MailKind
    user_id: str
    email: str
    expires_at: Instant


class EmailTokens:
    """Makes, finds and takes back tokens. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._tokens = database["email_tokens"]

    async def create_indexes(self) -> None:
        """Index what is asked for. Raises PyMongoError."""
        await ensure_indexes(self._tokens, IndexModel("user_id"), IndexModel("expires_at"))

    async def make(self, purpose: MailKind, user_id: str, email_key: str, now: Instant) -> str:
        """Return a new token of 256 random bits, to be put into a link and forgotten."""
        token = secrets.token_urlsafe(32)
        document: Document = {
            "_id": _digest(token),
            "purpose": purpose.value,
            "user_id": user_id,
            "email": hashlib.sha256(email_key.encode()).hexdigest(),
            "expires_at": now + LIFETIMES_MS[purpose],
        }
        with reaching_the_database():
            await despite_contention(lambda: self._tokens.insert_one(document))
        return token

    async def find(self, token: str, purpose: MailKind, now: Instant) -> EmailToken | None:
        """Return the token if it is one, for this purpose, unused and in time."""
        with reaching_the_database():
            document = await self._tokens.find_one({"_id": _digest(token)})
        if document is None or document["purpose"] != purpose.value or document["expires_at"] <= now:
            return None
        return EmailToken(document["_id"], purpose, document["user_id"], document["email"], document["expires_at"])

    async def use(self, token: EmailToken) -> bool:
        """Use the token up; False when somebody else did. All of the user's for the same purpose go with it."""
        with reaching_the_database():
            used = await despite_contention(lambda: self._tokens.delete_one({"_id": token.digest}))
            if used.deleted_count:
                others = {"user_id": token.user_id, "purpose": token.purpose.value}
                await despite_contention(lambda: self._tokens.delete_many(others))
        return used.deleted_count == 1

    async def forget(self, user_id: str) -> None:
        """Take back all of a user's tokens."""
        with reaching_the_database():
            await despite_contention(lambda: self._tokens.delete_many({"user_id": user_id}))

    async def forget_expired(self, now: Instant) -> None:
        """Delete those whose time is over."""
        with reaching_the_database():
            await despite_contention(lambda: self._tokens.delete_many({"expires_at": {"$lte": now}}))


def is_of(token: EmailToken, email_key: str) -> bool:
    """Whether the token was sent to this address."""
    return secrets.compare_digest(token.email, hashlib.sha256(email_key.encode()).hexdigest())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
