"""The collection `webhook_events`: the webhook inbox, each of Stripe's events once."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pymongo.errors import BulkWriteError

from actors.domain.codec import Document
from actors.payments.webhook_events import ReceivedWebhookEvent
from actors.runtime.ports import Instant
from actors.storage.database import Database, despite_contention, duplicates_of, reaching_the_database
from holdfast.batch_loader import BatchLoader

if TYPE_CHECKING:
    from actors.stripe.webhooks import WebhookEvent  # the whole SDK, see actors/processes/resources.py


class WebhookInbox:
    """Webhook events and which of them are handled. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._events = database["webhook_events"]
        self._adding = BatchLoader(self._insert)

    async def add(self, event: "WebhookEvent", at: Instant) -> ReceivedWebhookEvent | None:
        """Keeps the webhook event durably; None when it was here before."""
        document: Document = {
            "_id": event.id,
            "type": event.type,
            "at": at,
            "intent_id": event.intent_id,
            "order_id": event.order_id,
            "unhandled_since": at,
        }
        return _received(document) if await self._adding(document) else None

    async def _insert(self, documents: Sequence[Document]) -> list[bool]:
        """Whether each is new. Webhook events come in swarms: those that arrive together are kept in one command.

        One that was kept by a try that met another writer counts as known: the Supervisor finds it unhandled.
        """
        try:
            with reaching_the_database():
                await despite_contention(lambda: self._events.insert_many(documents, ordered=False))
        except BulkWriteError as error:
            known = set(duplicates_of(error))
            return [place not in known for place in range(len(documents))]
        return [True] * len(documents)

    async def unhandled(self, after: Instant, before: Instant, most: int) -> list[ReceivedWebhookEvent]:
        """Webhook events that arrived in [after, before) and were not handled, the oldest first."""
        with reaching_the_database():
            found = await (
                self._events.find({"unhandled_since": {"$gte": after, "$lt": before}})
                .sort("unhandled_since", 1)
                .limit(most)
                .to_list()
            )
        return [_received(document) for document in found]

    async def mark_handled(self, event_ids: Collection[str]) -> None:
        """Notes that these need no more attention, in one command."""
        with reaching_the_database():
            which, change = {"_id": {"$in": sorted(event_ids)}}, {"$unset": {"unhandled_since": ""}}
            await despite_contention(lambda: self._events.update_many(which, change))

    async def forget_before(self, at: Instant) -> None:
        """Drops webhook events that arrived before the instant."""
        with reaching_the_database():
            await despite_contention(lambda: self._events.delete_many({"at": {"$lt": at}}))


def _received(document: Document) -> ReceivedWebhookEvent:
    return ReceivedWebhookEvent(
        document["_id"], document["type"], document["at"], document["intent_id"], document["order_id"]
    )
