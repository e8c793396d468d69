"""A ledger in MongoDB: survives its process, and several processes may use it at once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, PyMongoError

from actors.domain.codec import Document
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import duplicates_of, ensure_indexes, reaching_the_database
from actors.stripe.sandbox.documents import (
    announcement_of,
    document_of,
    document_of_use,
    intent_of,
    made_of,
    place,
    use_of,
)
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import LedgerUnavailable, Span
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, IdempotencyRecord, Kind, PendingWebhook
from actors.stripe.sandbox.payment_intent import PaymentIntent
from holdfast.batch_loader import BatchLoader

# All ascending, though lists are read backwards: an index is read either way.
INDEXES = (
    IndexModel([("intent_id", ASCENDING)]),
    IndexModel([("use.key", ASCENDING)], unique=True, sparse=True),
    IndexModel([("made.id", ASCENDING)], sparse=True),
    IndexModel([("place", ASCENDING)], sparse=True),
    IndexModel([("settle_at", ASCENDING)], sparse=True),
    IndexModel([("due_at", ASCENDING)], sparse=True),
)
FAULTS = {"_id": "faults"}


class MongoLedger:
    """A document for each change, inserted and then left alone but for what is still to be done about it.

    What a process asks for at once goes in one command: in a batch of fifty a document costs a tenth of the 3.7 ms that
    it takes alone, most of it one fsync (measured with `holdfast up`). A write that the driver repeats after a lost
    reply meets itself; the caller then finds its own answer under its key.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        # The collections of releases that replaced intents are left alone: their money is imaginary.
        self._changes = database["sandbox_changes"]
        self._plans = database["sandbox_plans"]
        self._add = BatchLoader(self._insert)
        self._find = BatchLoader(self._find_intents)

    async def create_indexes(self) -> None:
        """Create what is missing; to be called before the first request. Raises LedgerUnavailable.

        A server may stop answering when a collection gets its first document and an index at once (measured). Repeating
        this while the ledger is used does no harm.
        """
        with _reachable():
            await ensure_indexes(self._changes, *INDEXES)

    async def append(self, change: Change) -> bool:
        """See Ledger."""
        return await self._add(document_of(change))

    async def bind(self, use: IdempotencyRecord) -> bool:
        """See Ledger."""
        return await self._add(document_of_use(use))

    async def _insert(self, documents: Sequence[Document]) -> list[bool]:
        with _reachable():
            try:
                await self._changes.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                taken = set(duplicates_of(error))
                return [place not in taken for place in range(len(documents))]
        return [True] * len(documents)

    async def use_of(self, key: str) -> IdempotencyRecord | None:
        """See Ledger."""
        with _reachable():
            document = await self._changes.find_one({"use.key": key}, {"use": 1})
        return use_of(document) if document else None

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """See Ledger."""
        return await self._find(intent_id)

    async def _find_intents(self, intent_ids: Sequence[str]) -> list[PaymentIntent | None]:
        found = await self.load_all(set(intent_ids))
        return [found.get(intent_id) for intent_id in intent_ids]

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        """See Ledger."""
        newest: dict[str, Document] = {}
        with _reachable():
            async for document in self._changes.find({"intent_id": {"$in": list(intent_ids)}}, {"intent": 1}):
                intent = document["intent"]
                other = newest.get(intent["id"])
                if other is None or other["intent"]["version"] < intent["version"]:
                    newest[intent["id"]] = document
        return {intent_id: intent_of(document) for intent_id, document in newest.items()}

    async def made(self, object_id: str) -> CreatedObject | None:
        """See Ledger."""
        with _reachable():
            document = await self._changes.find_one({"made.id": object_id}, {"made": 1})
        return made_of(document) if document else None

    async def listed(self, kind: Kind, span: Span) -> Sequence[CreatedObject]:
        """See Ledger."""
        end = place(kind, *span.after) if span.after else f"{kind};"  # the character that follows the colon
        within = {"place": {"$gte": place(kind, span.created_since), "$lt": end}}
        with _reachable():
            found = self._changes.find(within, {"made": 1}).sort("place", DESCENDING).limit(span.limit)
            return [made_of(document) for document in await found.to_list()]

    async def to_settle(self, now: float, limit: int) -> Mapping[str, str]:
        """See Ledger."""
        with _reachable():
            due = self._changes.find({"settle_at": {"$lte": now}}, {"intent_id": 1}).limit(limit)
            return {document["_id"]: document["intent_id"] for document in await due.to_list()}

    async def mark_settled(self, change_ids: Collection[str]) -> None:
        """See Ledger."""
        with _reachable():
            await self._changes.update_many(_those(change_ids), {"$unset": {"settle_at": ""}})

    async def pending_webhooks(self, now: float, limit: int, without: Collection[str]) -> Sequence[PendingWebhook]:
        """See Ledger."""
        query: Document = {"due_at": {"$lte": now}}
        if without:
            query["_id"] = {"$nin": list(without)}
        fields = {"at": 1, "events": 1, "due_at": 1, "attempts": 1}
        with _reachable():
            documents = await self._changes.find(query, fields).sort("due_at", ASCENDING).limit(limit).to_list()
        return [announcement_of(document) for document in documents]

    async def mark_delivered(self, change_ids: Collection[str]) -> None:
        """See Ledger."""
        with _reachable():
            await self._changes.update_many(_those(change_ids), {"$unset": {"due_at": ""}})

    async def postpone(self, change_ids: Collection[str], due_at: float) -> None:
        """See Ledger."""
        # Another process may have delivered it meanwhile; then it stays so.
        those = {**_those(change_ids), "due_at": {"$exists": True}}
        with _reachable():
            await self._changes.update_many(those, {"$set": {"due_at": due_at}, "$inc": {"attempts": 1}})

    async def faults(self) -> FaultPlan | None:
        """See Ledger."""
        with _reachable():
            document = await self._plans.find_one(FAULTS, {"_id": False})
        return FaultPlan(**document) if document else None

    async def set_faults(self, plan: FaultPlan | None) -> None:
        """See Ledger."""
        with _reachable():
            if plan is None:
                await self._plans.delete_one(FAULTS)
            else:
                await self._plans.replace_one(FAULTS, asdict(plan), upsert=True)


def _those(change_ids: Collection[str]) -> Document:
    return {"_id": {"$in": sorted(change_ids)}}


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        with reaching_the_database():
            yield
    except (PyMongoError, StoreUnavailableError) as error:
        raise LedgerUnavailable from error
