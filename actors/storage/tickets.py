"""The collection `tickets`, as projections write it. It lags: its orders tell who holds a ticket."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pymongo
from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketStatus
from actors.read_model.projections import readable, ticket_of
from actors.storage.orders import Orders

Document = dict[str, Any]

# Of tickets whose beginning nobody told, and how many a sentence names.
_TO_COME_MS = 180 * 86_400_000
_MOST_NAMED = 10
_MOST_LIVE = 500
MOST_COUNTED = 1_000
_COUNTING_SECONDS = 2.0


class Tickets:
    """Reads tickets. Raises pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document], orders: Orders) -> None:
        self._tickets = database["tickets"]
        self._orders = orders

    async def promised(self, seller_id: str, now: Instant) -> list[str]:
        """Return ids of the seller's tickets that somebody relies on: held, or bought for an event that is to come.

        Without a known beginning it is to come for 180 days after the sale. Ten of them are enough to say which.
        """
        wanted = {
            "seller_id": seller_id,
            "status": {"$ne": TicketStatus.WITHDRAWN.value},
            "$or": [{"details.starts_at": {"$exists": False}}, {"details.starts_at": {"$gt": now}}],
        }
        found: list[str] = []
        documents = await self._tickets.find(wanted, {"details.starts_at": 1}).to_list()
        for start in range(0, len(documents), _MOST_LIVE):
            chunk = documents[start : start + _MOST_LIVE]
            live = await self._orders.live_in_every_release([document["_id"] for document in chunk], now)
            has_beginning = {document["_id"]: "starts_at" in document.get("details", {}) for document in chunk}
            found += [
                ticket_id
                for ticket_id, order in live.items()
                if order.is_open or has_beginning[ticket_id] or now < order.updated_at + _TO_COME_MS
            ]
        return found[:_MOST_NAMED]

    async def by_ids(self, ids: Sequence[str]) -> list[Ticket]:
        """Return the tickets in this order, without who holds or has bought them."""
        documents = await self._tickets.find({"_id": {"$in": list(ids)}}).to_list()
        found = {ticket.id: ticket for ticket in readable(ticket_of, documents)}
        return [found[ticket_id] for ticket_id in ids if ticket_id in found]

    async def sold_by(self, seller_id: str) -> int:
        """Return how many of the seller's newest thousand tickets are sold."""
        newest = await self._newest_of(seller_id)
        return sum(document["status"] == TicketStatus.SOLD.value for document in newest)

    async def counted_by_status(self, seller_id: str, now: Instant) -> Counter[TicketStatus]:
        """Return how many of the seller's newest thousand tickets are in each state."""
        newest = await self._newest_of(seller_id)
        counted = Counter(TicketStatus(document["status"]) for document in newest)
        for_sale = [document["_id"] for document in newest if document["status"] == TicketStatus.AVAILABLE.value]
        for order in (await self._orders.live(for_sale, now)).values():
            # A sale whose ticket is not written yet is sold.
            counted[TicketStatus.RESERVED if order.is_open else TicketStatus.SOLD] += 1
            counted[TicketStatus.AVAILABLE] -= 1
        return counted

    async def _newest_of(self, seller_id: str) -> Sequence[Document]:
        newest = self._tickets.find({"seller_id": seller_id}, {"status": 1}).sort("by_newest", DESCENDING)
        with pymongo.timeout(_COUNTING_SECONDS):
            return await newest.limit(MOST_COUNTED).to_list()

    async def waited_for_by(self, user_id: str, most: int) -> set[str]:
        """Return ids of tickets that the user waits for. Raises PyMongoError."""
        found = await self._tickets.find({"by_waiter": user_id}, {"_id": 1}).limit(most).to_list()
        return {document["_id"] for document in found}
