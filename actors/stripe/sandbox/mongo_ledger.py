"""A ledger in MongoDB: survives its process, and several processes may use it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.ledger import Claim, LedgerUnavailable
from actors.stripe.sandbox.payment_intent import PaymentIntent, Refund, SavedAnswer

Document = dict[str, Any]


class MongoLedger:
    """Three collections, each looked up by `_id` only, so there is no index to create.

    Unique inserts and replaces guarded by the version, because find_one_and_update makes 25 a second on the embedded
    database. A write that the driver repeats after a lost reply fails its guard; the caller then loads the intent and
    finds its own answer in it.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._requests = database["sandbox_requests"]
        self._intents = database["sandbox_intents"]
        self._refunds = database["sandbox_refunds"]

    async def claim(self, claim: Claim) -> Claim:
        """See Ledger."""
        with _reachable():
            try:
                await self._requests.insert_one(_document(claim, "key"))
            except DuplicateKeyError:
                first = await self._requests.find_one({"_id": claim.key})
                return Claim(**_fields(first, "key")) if first else claim
        return claim

    async def load(self, intent_id: str) -> PaymentIntent | None:
        """See Ledger."""
        with _reachable():
            document = await self._intents.find_one({"_id": intent_id})
        return _intent(document) if document else None

    async def save(self, intent: PaymentIntent) -> bool:
        """See Ledger."""
        document = _document(intent, "id")
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

    async def note_refund(self, refund_id: str, intent_id: str) -> None:
        """See Ledger."""
        with _reachable():
            await self._refunds.insert_one({"_id": refund_id, "intent_id": intent_id})

    async def intent_of_refund(self, refund_id: str) -> str | None:
        """See Ledger."""
        with _reachable():
            document = await self._refunds.find_one({"_id": refund_id})
        return str(document["intent_id"]) if document else None


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise LedgerUnavailable from error


def _document(record: Claim | PaymentIntent, identity: str) -> Document:
    fields = asdict(record)
    return {"_id": fields.pop(identity), **fields}


def _fields(document: Document, identity: str) -> Document:
    return {identity: document["_id"], **{name: value for name, value in document.items() if name != "_id"}}


def _intent(document: Document) -> PaymentIntent:
    fields = _fields(document, "id")
    last_error = fields["last_payment_error"]
    fields["last_payment_error"] = Failure(**last_error) if last_error else None
    fields["refunds"] = tuple(Refund(**refund) for refund in fields["refunds"])
    fields["answers"] = tuple(SavedAnswer(**answer) for answer in fields["answers"])
    return PaymentIntent(**fields)
