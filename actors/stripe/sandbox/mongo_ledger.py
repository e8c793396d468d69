"""A ledger in MongoDB: survives its process, and several processes may use it at once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from actors.storage.database import ensure_indexes
from actors.stripe.sandbox.documents import (
    Document,
    claim_of,
    document_of,
    document_of_claim,
    event_of,
    intent_of,
    part_of,
)
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import Claim, LedgerUnavailable, Span
from actors.stripe.sandbox.notes import EventNote, PartKind, PartNote
from actors.stripe.sandbox.payment_intent import PaymentIntent

NEWEST_FIRST = [("created", DESCENDING), ("_id", DESCENDING)]
# Ascending, though it is read backwards: through (kind, -created, -_id) the embedded database finds too little of a
# range (secantusdb 0.7.0b3, compared with the same query without an index).
BY_CREATED = [("created", ASCENDING), ("_id", ASCENDING)]
FAULTS = {"_id": "faults"}


class MongoLedger:
    """A collection for each kind of record.

    Unique inserts and replaces guarded by the version, because find_one_and_update makes 25 a second on the embedded
    database. A write that the driver repeats after a lost reply fails its guard; the caller then loads the intent and
    finds its own answer in it.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._requests = database["sandbox_requests"]
        self._intents = database["sandbox_intents"]
        self._parts = database["sandbox_parts"]
        self._events = database["sandbox_events"]
        self._plans = database["sandbox_plans"]

    async def create_indexes(self) -> None:
        """Create what is missing; to be called before the first request. Raises LedgerUnavailable.

        The embedded database stops answering when a collection gets its first document and an index at once (measured).
        Repeating this while the ledger is used does no harm.
        """
        with _reachable():
            await ensure_indexes(self._intents, IndexModel(BY_CREATED), IndexModel([("settlements.due_at", ASCENDING)]))
            await ensure_indexes(self._parts, IndexModel([("kind", ASCENDING), *BY_CREATED]))
            await ensure_indexes(self._events, IndexModel([("due_at", ASCENDING)]))

    async def claim(self, claim: Claim) -> Claim:
        """See Ledger."""
        with _reachable():
            try:
                await self._requests.insert_one(document_of_claim(claim))
            except DuplicateKeyError:
                first = await self._requests.find_one({"_id": claim.key})
                return claim_of(first) if first else claim
        return claim

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """See Ledger."""
        with _reachable():
            document = await self._intents.find_one({"_id": intent_id})
        return intent_of(document) if document else None

    async def save(self, intent: PaymentIntent) -> bool:
        """See Ledger."""
        document = document_of(intent)
        with _reachable():
            if intent.version == 1:
                try:
                    await self._intents.insert_one(document)
                except DuplicateKeyError:
                    return False
                return True
            guard = {"_id": intent.id, "version": intent.version - 1}
            written = await self._intents.replace_one(guard, document)
        return written.matched_count == 1

    async def load_all(self, intent_ids: Collection[str]) -> Mapping[str, PaymentIntent]:
        """See Ledger."""
        with _reachable():
            documents = await self._intents.find({"_id": {"$in": list(intent_ids)}}).to_list()
        return {document["_id"]: intent_of(document) for document in documents}

    async def intents(self, span: Span) -> Sequence[PaymentIntent]:
        """See Ledger."""
        with _reachable():
            documents = await self._intents.find(_within(span)).sort(NEWEST_FIRST).limit(span.limit).to_list()
        return [intent_of(document) for document in documents]

    async def intents_to_settle(self, now: float, limit: int) -> Sequence[str]:
        """See Ledger."""
        with _reachable():
            due = self._intents.find({"settlements.due_at": {"$lte": now}}, {"_id": True}).limit(limit)
            return [document["_id"] for document in await due.to_list()]

    async def note_parts(self, parts: Sequence[PartNote]) -> None:
        """See Ledger."""
        with _reachable():
            await self._parts.insert_many([document_of(part) for part in parts])

    async def part(self, part_id: str) -> PartNote | None:
        """See Ledger."""
        with _reachable():
            document = await self._parts.find_one({"_id": part_id})
        return part_of(document) if document else None

    async def parts(self, kind: PartKind, span: Span) -> Sequence[PartNote]:
        """See Ledger."""
        with _reachable():
            found = self._parts.find({"kind": kind, **_within(span)}).sort(NEWEST_FIRST).limit(span.limit)
            return [part_of(document) for document in await found.to_list()]

    async def note_events(self, events: Sequence[EventNote]) -> None:
        """See Ledger."""
        with _reachable():
            await self._events.insert_many([document_of(event) for event in events])

    async def due_events(self, now: float, limit: int, without: Collection[str]) -> Sequence[EventNote]:
        """See Ledger."""
        query: Document = {"due_at": {"$lte": now}}
        if without:
            query["_id"] = {"$nin": list(without)}
        with _reachable():
            documents = await self._events.find(query).sort("due_at", ASCENDING).limit(limit).to_list()
        return [event_of(document) for document in documents]

    async def remove_events(self, event_ids: Sequence[str]) -> None:
        """See Ledger."""
        with _reachable():
            await self._events.delete_many({"_id": {"$in": list(event_ids)}})

    async def postpone_events(self, event_ids: Sequence[str], due_at: float) -> None:
        """See Ledger."""
        change: Document = {"$set": {"due_at": due_at}, "$inc": {"attempts": 1}}
        with _reachable():
            await self._events.update_many({"_id": {"$in": list(event_ids)}}, change)

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


def _within(span: Span) -> dict[str, Any]:
    since: Document = {"created": {"$gte": span.created_since}}
    if span.after is None:
        return since
    created, identity = span.after
    # The first bound lets the index begin at the place; the second leaves out what stands before it in its second.
    return {
        "created": {"$gte": span.created_since, "$lte": created},
        "$or": [{"created": {"$lt": created}}, {"_id": {"$lt": identity}}],
    }


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise LedgerUnavailable from error
