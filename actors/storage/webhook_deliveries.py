"""The collection `webhook_deliveries`: each event for each endpoint once, with what its receiver answered."""

from collections.abc import Sequence
from dataclasses import asdict

from pymongo import DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.storage.database import (
    Database,
    despite_contention,
    duplicates_of,
    ensure_indexes,
    reaching_the_database,
)
from actors.storage.page import Page
from actors.webhooks.delivery import KEPT_MS, Attempt, Delivery, DeliveryState


class WebhookDeliveries:
    """Reads and writes deliveries. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._deliveries = database["webhook_deliveries"]

    async def create_indexes(self) -> None:
        """Index lists, lanes and what is old. Raises PyMongoError."""
        await ensure_indexes(
            self._deliveries,
            IndexModel([("endpoint_id", DESCENDING), ("by_newest", DESCENDING)]),
            # Endpoint and time in one value, as `orders.by_unpaid_hold`: only what is pending is in it.
            IndexModel("by_lane", sparse=True),
            IndexModel("created_at"),
        )

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store these in one command; those that are there already stay as they are."""
        if not deliveries:
            return
        documents = [_document(delivery) for delivery in deliveries]
        with reaching_the_database():
            try:
                await despite_contention(lambda: self._deliveries.insert_many(documents, ordered=False))
            except BulkWriteError as error:
                duplicates_of(error)

    async def due(self, endpoint_id: str, now: Instant, most: int) -> list[Delivery]:
        """Return the endpoint's deliveries whose time has come, in order."""
        wanted = {"by_lane": {"$gte": _lane(endpoint_id, 0), "$lte": _lane(endpoint_id, now)}}
        with reaching_the_database():
            found = await self._deliveries.find(wanted).sort("by_lane", 1).limit(most).to_list()
        return [_delivery(document) for document in found]

    async def next_due_at(self, endpoint_id: str) -> Instant | None:
        """Return when the endpoint's next delivery is due, None when none is pending."""
        with reaching_the_database():
            found = (
                await self._deliveries.find(_pending(endpoint_id), {"due_at": 1}).sort("by_lane", 1).limit(1).to_list()
            )
        return found[0]["due_at"] if found else None

    async def waiting(self, endpoint_id: str) -> int:
        """Return how many of the endpoint's deliveries are pending; it takes up to 40 µs for each."""
        with reaching_the_database():
            return await self._deliveries.count_documents(_pending(endpoint_id))

    async def store(self, delivery: Delivery) -> None:
        """Keep what came of a try, or that there is to be another one; nothing when it was deleted meanwhile."""
        document = _document(delivery)
        gone = {name: "" for name in ("due_at", "by_lane") if name not in document}
        change: Document = {"$set": {name: value for name, value in document.items() if name != "_id"}}
        if gone:
            change["$unset"] = gone
        with reaching_the_database():
            await despite_contention(lambda: self._deliveries.update_one({"_id": delivery.id}, change))

    async def by_id(self, delivery_id: str) -> Delivery | None:
        """Return the delivery of the id."""
        with reaching_the_database():
            document = await self._deliveries.find_one({"_id": delivery_id})
        return None if document is None else _delivery(document)

    async def of_endpoint(self, endpoint_id: str, limit: int, after: str | None = None) -> Page[Delivery]:
        """Return the endpoint's deliveries, the newest first."""
        wanted: Document = {"endpoint_id": endpoint_id}
        if after is not None:
            wanted["by_newest"] = {"$lt": after}
        with reaching_the_database():
            found = await self._deliveries.find(wanted).sort("by_newest", DESCENDING).limit(limit + 1).to_list()
        more = found[limit - 1]["by_newest"] if len(found) > limit else None
        return Page([_delivery(document) for document in found[:limit]], more)

    async def remove_of(self, endpoint_id: str) -> None:
        """Delete all deliveries of an endpoint."""
        with reaching_the_database():
            await despite_contention(lambda: self._deliveries.delete_many({"endpoint_id": endpoint_id}))

    async def drop_old(self, now: Instant) -> None:
        """Delete what is older than 30 days."""
        with reaching_the_database():
            await despite_contention(lambda: self._deliveries.delete_many({"created_at": {"$lt": now - KEPT_MS}}))


def _lane(endpoint_id: str, due_at: Instant) -> str:
    return f"{endpoint_id}{due_at:015d}"


def _pending(endpoint_id: str) -> Document:
    return {"by_lane": {"$gte": _lane(endpoint_id, 0), "$lte": _lane(endpoint_id, 10**15 - 1)}}


def _document(delivery: Delivery) -> Document:
    document = asdict(delivery)
    document["_id"] = document.pop("id")
    document["by_newest"] = f"{delivery.created_at:015d}{delivery.id}"
    if delivery.due_at is None:
        del document["due_at"]
    else:
        document["by_lane"] = _lane(delivery.endpoint_id, delivery.due_at)
    return document


def _delivery(document: Document) -> Delivery:
    values = {name: value for name, value in document.items() if name not in {"_id", "by_newest", "by_lane"}}
    values["state"] = DeliveryState(values["state"])
    values["attempts"] = tuple(Attempt(**attempt) for attempt in values["attempts"])
    return Delivery(id=document["_id"], **values)
