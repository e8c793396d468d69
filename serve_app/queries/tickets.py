"""The collection `tickets`, as projections write it. It lags: its orders tell who holds a ticket."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.messages import Instant
from actors.domain.ticket import Ticket
from actors.projections import ticket_of, words_of
from serve_app.paging import Page
from serve_app.queries.orders import Orders

Document = dict[str, Any]

# The stored field that each order of the list goes by, and its direction.
_SORTS = {
    "newest": ("by_newest", DESCENDING),
    "price": ("by_price", ASCENDING),
    "-price": ("by_price", DESCENDING),
    "startsAt": ("by_start", ASCENDING),
}
# A page of tickets that are all being bought at the moment is read on this often; then it ends early, with a cursor.
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets a list shows: of one seller in every state, else those for sale. Prices in cents, inclusive."""

    sort: str
    q: str | None = None
    category: str | None = None
    city: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    seller_id: str | None = None


class Tickets:
    """Reads lists of tickets. Raises pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document], orders: Orders) -> None:
        self._tickets = database["tickets"]
        self._orders = orders

    async def page(self, wanted: Wanted, limit: int, after: str | None, now: Instant) -> Page[Ticket]:
        """Return at most `limit` tickets after the position, with at most ten queries."""
        key, direction = _SORTS[wanted.sort]
        found: list[tuple[str, Ticket]] = []
        for _ in range(_ROUNDS):
            documents = await (
                self._tickets.find(_query(wanted, key, direction, after, now))
                .sort(key, direction)
                .limit(limit + 1)
                .to_list()
            )
            found += await self._shown(wanted, key, documents, now)
            if len(found) > limit:
                return Page([ticket for _, ticket in found[:limit]], found[limit - 1][0])
            if len(documents) <= limit:
                return Page([ticket for _, ticket in found])
            after = documents[-1][key]
        return Page([ticket for _, ticket in found], after)

    async def _shown(
        self, wanted: Wanted, key: str, documents: Sequence[Document], now: Instant
    ) -> list[tuple[str, Ticket]]:
        live = await self._orders.live([document["_id"] for document in documents], now)
        shown: list[tuple[str, Ticket]] = []
        for document in documents:
            order = live.get(document["_id"])
            ticket = replace(ticket_of(document), order=order)
            in_city = wanted.city is None or (ticket.details.city or "").casefold() == wanted.city.casefold()
            if in_city and (wanted.seller_id is not None or order is None):
                shown.append((document[key], ticket))
        return shown


def _query(wanted: Wanted, key: str, direction: int, after: str | None, now: Instant) -> Document:
    """Return a range of the one field that the list is sorted by, so that an index answers it, and the conditions."""
    query: Document = {"seller_id": wanted.seller_id} if wanted.seller_id else {"status": "available"}
    position: Document = {}
    if after is not None:
        position["$gt" if direction == ASCENDING else "$lt"] = after
    if wanted.seller_id is None:
        # What has begun cannot be bought any more.
        query["by_start"] = {"$gt": f"{now:015d}~"}
    price = _between(wanted.min_price, wanted.max_price)
    if price:
        query["details.price"] = price
    if position:
        query[key] = {**query.get(key, {}), **position}
    if wanted.category is not None:
        query["details.category"] = wanted.category
    words = words_of(wanted.q, wanted.city)
    if words or wanted.q is not None:
        query["words"] = {"$all": words}
    return query


def _between(least: int | None, most: int | None) -> Document:
    bounds = {"$gte": least, "$lte": most}
    return {operator: bound for operator, bound in bounds.items() if bound is not None}
