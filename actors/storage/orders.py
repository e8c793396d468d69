"""The collection `orders`, as the journal's projections write it."""

from collections.abc import Sequence
from typing import Any

import pymongo
from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.instants import Instant
from actors.domain.ticket_values import Order, OrderStatus
from actors.read_model.projections import PROJECTIONS, order_of, readable
from actors.storage.page import Page
from holdfast.batch_loader import BatchLoader

Document = dict[str, Any]

# As long as a page of tickets may take, however many orders a ticket or a buyer has.
_SECONDS = 2.0


class Orders:
    """Reads orders. All methods raise pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._orders = database["orders"]
        self._upgrades = database["upgrades"]
        self._one = BatchLoader(self._by_ids)

    async def by_id(self, order_id: str) -> Order | None:
        """Return the order of the id, read together with those that other requests ask for."""
        return await self._one(order_id)

    async def _by_ids(self, ids: Sequence[str]) -> list[Order | None]:
        documents = await self._orders.find({"_id": {"$in": list(ids)}}).to_list()
        found = {order.id: order for order in readable(order_of, documents)}
        return [found.get(order_id) for order_id in ids]

    async def of_buyer(self, buyer_id: str, limit: int, after: str | None = None) -> Page[Order]:
        """Return the buyer's orders, newest first. Raises ExecutionTimeout or NetworkTimeout after two seconds."""
        query: Document = {"buyer_id": buyer_id}
        if after is not None:
            query["by_newest"] = {"$lt": after}
        with pymongo.timeout(_SECONDS):
            found = await self._orders.find(query).sort("by_newest", DESCENDING).limit(limit + 1).to_list()
        more = found[limit - 1]["by_newest"] if len(found) > limit else None
        return Page(readable(order_of, found[:limit]), more)

    async def has_open(self, buyer_id: str) -> bool:
        """Whether the buyer holds anything that is not paid."""
        return await self._orders.find_one({"buyer_id": buyer_id, "due_at": {"$gt": 0}}) is not None

    async def taken_back_by(self, seller_id: str, most: int) -> int:
        """Return of how many sales the seller gave the money back, at most so many."""
        query = {"by_taken_back": seller_id}
        with pymongo.timeout(_SECONDS):
            return len(await self._orders.find(query, {"_id": 1}).limit(most).to_list())

    async def live(self, ticket_ids: Sequence[str], now: Instant) -> dict[str, Order]:
        """Return the order that holds or has bought each of the tickets, by ticket, in one query.

        An order whose time is over holds nothing, also while its expiry is not written yet. Raises ExecutionTimeout or
        NetworkTimeout after two seconds.
        """
        if not ticket_ids:
            return {}
        with pymongo.timeout(_SECONDS):
            found = await self._orders.find({"by_live_ticket": {"$in": list(ticket_ids)}}).to_list()
        return _live(found, now)

    async def live_in_every_release(self, ticket_ids: Sequence[str], now: Instant) -> dict[str, Order]:
        """Return the same, also of orders that an older release stored and that are not written anew yet."""
        live = await self.live(ticket_ids, now)
        with pymongo.timeout(_SECONDS):
            brought_over = {"_id": "documents", "orders": {"$gte": PROJECTIONS["orders"]}}
            if not ticket_ids or await self._upgrades.find_one(brought_over) is not None:
                return live
            # Older releases had an index for this. It is never asked for long: without one it reads every order.
            held_or_sold = {"ticket_id": {"$in": list(ticket_ids)}, "status": {"$ne": OrderStatus.CANCELLED.value}}
            return _live(await self._orders.find(held_or_sold).to_list(), now) | live


def _live(documents: Sequence[Document], now: Instant) -> dict[str, Order]:
    orders = readable(order_of, documents)
    return {order.ticket_id: order for order in orders if not order.is_open or now < order.expires_at}
