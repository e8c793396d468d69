"""The collection `mails`: who is to be written to, and why. No address: that stands in `users` only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bson import ObjectId
from pymongo import IndexModel
from pymongo.errors import BulkWriteError

from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.mail.templates import MailKind
from actors.storage.database import Database, despite_contention, duplicates_of, ensure_indexes, reaching_the_database

# Long enough to answer "did you write to me?".
KEPT_MS = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to be sent. `tries` failed so far; without a `user_id` it is to nobody."""

    id: str
    kind: MailKind
    user_id: str | None
    at: Instant
    order_id: str | None = None
    tries: int = 0


def about_order(kind: MailKind, order_id: str, buyer_id: str, at: Instant) -> Mail:
    """Return a mail that is sent once for each order and kind, however often it is asked for."""
    return Mail(f"{kind}:{order_id}", kind, buyer_id, at, order_id)


def to_user(kind: MailKind, user_id: str | None, at: Instant) -> Mail:
    """Return a mail to somebody about their account."""
    return Mail(f"{kind}:{ObjectId()}", kind, user_id, at)


class MailStore(Protocol):
    """Where mails are kept, before and after they are sent. All methods raise StoreUnavailableError."""

    async def add(self, mails: Sequence[Mail]) -> None:
        """Keep mails to be sent; those that are there already stay as they are."""

    async def due(self, now: Instant, most: int) -> list[Mail]:
        """Return mails whose time has come."""

    async def mark_done(self, mail_ids: Collection[str], now: Instant) -> None:
        """Note that these were sent, or are to nobody."""

    async def postpone(self, due: Mapping[str, Instant]) -> None:
        """Note that these could not be sent, and when to try again."""

    async def give_up(self, mail_ids: Collection[str], now: Instant) -> None:
        """Note that these will not be tried again."""

    async def forget_before(self, at: Instant) -> None:
        """Delete what is older, sent or not."""


class Outbox:
    """Reads and writes mails to be sent; satisfies `MailStore`. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._mails = database["mails"]

    async def create_indexes(self) -> None:
        """Index what the sender asks for every second, and whose mails they are. Raises PyMongoError."""
        await ensure_indexes(
            self._mails, IndexModel("due_at", sparse=True), IndexModel("at"), IndexModel([("user_id", 1), ("_id", 1)])
        )

    async def add(self, mails: Sequence[Mail]) -> None:
        """Keep mails to be sent; those that are there already stay as they are."""
        if not mails:
            return
        with reaching_the_database():
            try:
                documents = sorted(map(_document, mails), key=lambda document: document["_id"])
                await despite_contention(lambda: self._mails.insert_many(documents, ordered=False))
            except BulkWriteError as error:
                duplicates_of(error)

    async def due(self, now: Instant, most: int) -> list[Mail]:
        """Return mails whose time has come."""
        with reaching_the_database():
            found = await self._mails.find({"due_at": {"$lte": now}}).sort("due_at", 1).limit(most).to_list()
        return [_mail(document) for document in found]

    async def of_user(self, user_id: str, most: int, after: str | None = None) -> list[Mail]:
        """Return mails to a user, in the order of their ids, from the one after that id on."""
        wanted: Document = {"user_id": user_id}
        if after is not None:
            wanted["_id"] = {"$gt": after}
        with reaching_the_database():
            found = await self._mails.find(wanted).sort("_id", 1).limit(most).to_list()
        return [_mail(document) for document in found]

    async def mark_done(self, mail_ids: Collection[str], now: Instant) -> None:
        """Note that these were sent, or are to nobody."""
        await self._update({"_id": {"$in": sorted(mail_ids)}}, {"$unset": {"due_at": ""}, "$set": {"sent_at": now}})

    async def postpone(self, due: Mapping[str, Instant]) -> None:
        """Note that these could not be sent, and when to try again."""
        for mail_id, at in due.items():
            await self._update({"_id": mail_id}, {"$set": {"due_at": at}, "$inc": {"tries": 1}})

    async def give_up(self, mail_ids: Collection[str], now: Instant) -> None:
        """Note that these will not be tried again."""
        await self._update({"_id": {"$in": sorted(mail_ids)}}, {"$unset": {"due_at": ""}, "$set": {"failed_at": now}})

    async def forget_before(self, at: Instant) -> None:
        """Delete what is older, sent or not."""
        with reaching_the_database():
            await despite_contention(lambda: self._mails.delete_many({"at": {"$lt": at}}))

    async def _update(self, which: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        with reaching_the_database():
            await despite_contention(lambda: self._mails.update_many(which, change))


def _document(mail: Mail) -> Document:
    return {
        "_id": mail.id,
        "kind": mail.kind.value,
        "user_id": mail.user_id,
        "order_id": mail.order_id,
        "at": mail.at,
        "due_at": mail.at,
        "tries": mail.tries,
    }


def _mail(document: Document) -> Mail:
    return Mail(
        document["_id"],
        MailKind(document["kind"]),
        document["user_id"],
        document["at"],
        document["order_id"],
        document["tries"],
    )
