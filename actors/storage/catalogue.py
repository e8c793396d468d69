"""Lists of tickets, page by page. The documents lag: orders tell which ticket is held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pymongo
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketStatus
from actors.read_model.projections import readable, ticket_of
from actors.read_model.search_terms import folded, search_terms
from actors.storage.orders import Orders
from actors.storage.page import Page

Document = dict[str, Any]

# Each order of the list: the stored field that it goes by, and up or down.
SORTS = {
    "newest": ("by_newest", DESCENDING),
    "price": ("by_price", ASCENDING),
    "-price": ("by_price", DESCENDING),
    "startsAt": ("by_start", ASCENDING),
}
# A page of tickets that are all being bought at the moment is read on, twice as far each time, until so many were
# looked at; then it ends early, with a cursor.
MOST_LOOKED_AT = 2_500
# Buyers wait for the database meanwhile.
MOST_MS = 2_000


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets a list shows: of one seller in every state or in one, else those for sale.

    Prices in cents, inclusive.
    """

    sort: str
    q: str | None = None
    category: str | None = None
    city: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    seller_id: str | None = None
    status: TicketStatus | None = None


class Catalogue(Protocol):
    """Reads lists of tickets."""

    async def page(
        self, wanted: TicketFilter, limit: int, after: str | None, now: Instant, *, refresh: bool = False
    ) -> Page[Ticket]:
        """Return at most `limit` tickets after the position.

        A ticket that is for sale again may be missing for three seconds, but not with `refresh`. Raises pymongo's
        ConnectionFailure when the database does not answer, and ExecutionTimeout or NetworkTimeout after two seconds.
        """


class MongoCatalogue:
    """Lists as MongoDB answers them, which reads an index in its order and stops at the limit."""

    def __init__(self, database: AsyncDatabase[Document], orders: Orders) -> None:
        self._tickets = database["tickets"]
        self._orders = orders

    async def page(
        self,
        wanted: TicketFilter,
        limit: int,
        after: str | None,
        now: Instant,
        *,
        refresh: bool = False,  # noqa: ARG002 - nothing is remembered, so every page is
    ) -> Page[Ticket]:
        """See Catalogue."""
        field, direction = SORTS[wanted.sort]
        found: list[tuple[str, Ticket]] = []
        position, looked_at = after, 0
        with pymongo.timeout(MOST_MS / 1_000):
            while True:
                length = max(limit + 1, looked_at)
                query = narrowed(conditions(wanted, now), between(wanted.sort, position))
                documents = await self._tickets.find(query).sort(field, direction).limit(length).to_list()
                looked_at += len(documents)
                found += await shown(self._orders, wanted, documents, now)
                if len(found) > limit:
                    return Page([ticket for _, ticket in found[:limit]], found[limit - 1][0])
                position = documents[-1][field] if len(documents) == length else None
                if position is None or looked_at >= MOST_LOOKED_AT:
                    return Page([ticket for _, ticket in found], position)


def conditions(wanted: TicketFilter, now: Instant) -> Document:
    """Return what holds of the document of every ticket that is wanted. More may hold than is wanted: see `shown`."""
    words = search_terms(wanted.q, wanted.city)
    query = bounded("details.price", {"$gte": wanted.min_price, "$lte": wanted.max_price})
    if wanted.category is not None:
        query["details.category"] = wanted.category
    if words or wanted.q is not None:
        query["words"] = {"$all": words}
    if wanted.seller_id is None:
        query["status"] = TicketStatus.AVAILABLE.value
        # What has begun cannot be bought any more.
        query["by_start"] = {"$gt": f"{now:015d}~"}
    else:
        query["seller_id"] = wanted.seller_id
        if wanted.status is TicketStatus.WITHDRAWN:
            query["status"] = wanted.status.value
    return query


def between(sort: str, after: str | None, end: str | None = None) -> Document:
    """Return the condition that a ticket comes after the first position, and not after the second."""
    field, direction = SORTS[sort]
    forward = direction == ASCENDING
    return bounded(field, {"$gt" if forward else "$lt": after, "$lte" if forward else "$gte": end})


def narrowed(query: Document, bounds: Document) -> Document:
    """Return the query with these bounds of a field besides its own."""
    return query | {field: _both(query.get(field, {}), more) for field, more in bounds.items()}


def bounded(field: str, bounds: Mapping[str, object]) -> Document:
    """Return the condition of those bounds that are given."""
    given = {operator: bound for operator, bound in bounds.items() if bound is not None}
    return {field: given} if given else {}


def _both(own: Document, more: Document) -> Document:
    if "$gt" in own and "$gt" in more:
        # A page after one that was read a while ago begins behind what has begun since.
        more = {**more, "$gt": max(own["$gt"], more["$gt"])}
    return {**own, **more}


async def shown(
    orders: Orders, wanted: TicketFilter, documents: Sequence[Document], now: Instant
) -> list[tuple[str, Ticket]]:
    """Return those of the tickets that are wanted with who holds them, each with its position."""
    field, _ = SORTS[wanted.sort]
    live = await orders.live([document["_id"] for document in documents], now)
    found: list[tuple[str, Ticket]] = []
    for document, stored in readable(lambda one: (one, ticket_of(one)), documents):
        ticket = replace(stored, order=live.get(stored.id))
        if is_in_city(wanted.city, ticket.details.city) and _is_in_state(wanted, ticket):
            found.append((document[field], ticket))
    return found


def is_in_city(wanted: str | None, city: str | None) -> bool:
    """Whether the city is the wanted one, as searches compare. A question without a letter is no city."""
    return wanted is None or (city is not None and folded(city) == folded(wanted) != "")


def _is_in_state(wanted: TicketFilter, ticket: Ticket) -> bool:
    if wanted.seller_id is None:
        return ticket.order is None
    return wanted.status in (None, ticket.status)
