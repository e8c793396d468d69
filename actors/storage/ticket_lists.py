"""The collection `tickets`, as projections write it. It lags: its orders tell who holds a ticket."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ExecutionTimeout, NetworkTimeout

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketStatus
from actors.read_model.projections import readable, ticket_of
from actors.read_model.search_terms import folded, search_terms
from actors.storage.orders import Orders
from actors.storage.page import Page
from actors.storage.range_scan import WHOLE_LIST, ScanWindow, SkipRange, SortKey, WindowCache

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Sort:
    """An order of the list: the stored field that it goes by, its positions, and where it begins (cents, or no end)."""

    field: str
    scale: SortKey
    begins: int | None = None


# Cents have ten digits in a position, instants fifteen (see `ticket_document`). The lists by time begin at this moment.
_SORTS = {
    "newest": _Sort("by_newest", SortKey(15, DESCENDING)),
    "price": _Sort("by_price", SortKey(10, ASCENDING), begins=1),
    "-price": _Sort("by_price", SortKey(10, DESCENDING), begins=99_999_999),
    "startsAt": _Sort("by_start", SortKey(15, ASCENDING)),
}
# A page of tickets that are all being bought at the moment is read on, twice as far each time, until so many were
# looked at; then it ends early, with a cursor. It takes the embedded database most of a second, so as many as this in a
# row are left out for some seconds; one that is for sale again shows up after them.
_MOST_LOOKED_AT = 2_500
_A_GAP = 50
# Buyers wait for the embedded database meanwhile. A stretch that takes a quarter of the time has too many in it:
# a narrower one is tried. What no position leads to is tried once.
_MOST_MS = 2_000
_TRIES = 4
_GAP_MS = 3_000
# Of tickets whose beginning nobody told, and how many a sentence names.
_TO_COME_MS = 180 * 86_400_000
_MOST_NAMED = 10
_MOST_LIVE = 500
MOST_COUNTED = 1_000
# Some 30,000 tickets may have been listed since, so the newest are looked for anew: that takes some 50 small reads.
_OLD_MS = 15_000


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


class TicketLists:
    """Reads lists of tickets. Raises pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document], orders: Orders) -> None:
        self._tickets = database["tickets"]
        self._orders = orders
        self._reaches = WindowCache[tuple[TicketFilter, str | None]]()

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
        with pymongo.timeout(_MOST_MS / 1_000):
            return await newest.limit(MOST_COUNTED).to_list()

    async def waited_for_by(self, user_id: str, most: int) -> set[str]:
        """Return ids of tickets that the user waits for. Raises PyMongoError."""
        found = await self._tickets.find({"by_waiter": user_id}, {"_id": 1}).limit(most).to_list()
        return {document["_id"] for document in found}

    async def page(
        self, wanted: TicketFilter, limit: int, after: str | None, now: Instant, *, anew: bool = False
    ) -> Page[Ticket]:
        """Return at most `limit` tickets after the position, mostly with two queries.

        A ticket that is for sale again may be missing for three seconds, but not with `anew`.
        """
        sort = _SORTS[wanted.sort]
        reach = self._reach(wanted, after, now)
        gap = reach.gap if reach.gap is not None and now < reach.gap.until and not anew else None
        ends = _ends(wanted, reach, gap)
        tries = _TRIES if _goes_by_position(wanted) else 1
        milliseconds = _MOST_MS // tries
        found: list[tuple[str, Ticket]] = []
        held: list[str] = []
        position, end, looked_at = after, next(ends, None), 0
        while True:
            length = max(limit + 1, reach.documents, looked_at)
            first, rest = _conditions(wanted, _between_positions(sort, position, end), now)
            try:
                documents = await self._read(first, rest, sort, length, milliseconds)
            except (ExecutionTimeout, NetworkTimeout):
                narrower = self._narrower((wanted, after), position or _begin(sort, now), end)
                tries -= 1
                if not tries:
                    raise
                gap, ends = None, sort.scale.ends(narrower)
                end = next(ends, None)
                continue
            looked_at += len(documents)
            shown = await self._shown(wanted, sort.field, documents, now)
            if not found:
                held += _before(shown, documents, sort.field)
            found += shown
            if len(found) > limit:
                key, last = found[limit - 1][0], found[limit][0]
                known = sort.scale.reach(found[0][0], last, looked_at)
                self._remember(wanted, after, key, replace(known, gap=gap or _gap(held, now), seen_at=now))
                return Page([ticket for _, ticket in found[:limit]], key)
            if len(documents) == length:
                position = documents[-1][sort.field]
                if looked_at >= _MOST_LOOKED_AT:
                    return Page([ticket for _, ticket in found], position)
            elif end is None:
                if looked_at < _MOST_LOOKED_AT:
                    self._reaches.remember((wanted, after), WHOLE_LIST)
                return Page([ticket for _, ticket in found])
            else:
                position, end = _beyond(gap, end), next(ends, None)

    def _reach(self, wanted: TicketFilter, after: str | None, now: Instant) -> ScanWindow:
        known, sort = self._reaches.of((wanted, after)), _SORTS[wanted.sort]
        if known is not None and not (_is_of_the_newest(wanted, after) and _is_old(known, now)):
            return known
        if after is not None:
            return sort.scale.guess_after(after)
        return sort.scale.guess(_begin(sort, now))

    def _remember(self, wanted: TicketFilter, after: str | None, next_after: str, reach: ScanWindow) -> None:
        self._reaches.remember((wanted, after), reach)
        if self._reaches.of((wanted, next_after)) is None:
            self._reaches.remember((wanted, next_after), _SORTS[wanted.sort].scale.onward(next_after, reach))

    def _narrower(self, key: tuple[TicketFilter, str | None], begin: str | int, end: str | None) -> ScanWindow:
        """Return where to look after too many were found; the next request for this page begins there, too."""
        narrower = _SORTS[key[0].sort].scale.narrower(begin, end)
        self._reaches.remember(key, narrower)
        return replace(narrower, begin=None)

    async def _read(
        self, first: Document, rest: Document, sort: _Sort, limit: int, milliseconds: int
    ) -> Sequence[Document]:
        """Raises ExecutionTimeout or NetworkTimeout when it takes longer.

        The embedded database does not look at the clock while it reads from an index, so nobody waits for it either.
        """
        # Two steps of one condition: the embedded database looks into an index only for all that the first one names.
        steps: list[Document] = [
            {"$match": first},
            {"$match": rest},
            {"$sort": {sort.field: sort.scale.direction}},
            {"$limit": limit},
        ]
        with pymongo.timeout(milliseconds / 1_000):
            return await (await self._tickets.aggregate(steps)).to_list()

    async def _shown(
        self, wanted: TicketFilter, key: str, documents: Sequence[Document], now: Instant
    ) -> list[tuple[str, Ticket]]:
        live = await self._orders.live([document["_id"] for document in documents], now)
        shown: list[tuple[str, Ticket]] = []
        for document, stored in readable(lambda one: (one, ticket_of(one)), documents):
            order = live.get(stored.id)
            ticket = replace(stored, order=order)
            if _is_in(wanted.city, ticket.details.city) and _is_in_state(wanted, ticket):
                shown.append((document[key], ticket))
        return shown


def _is_in(wanted: str | None, city: str | None) -> bool:
    """Whether the city is the wanted one, as searches compare. A question without a letter is no city."""
    return wanted is None or (city is not None and folded(city) == folded(wanted) != "")


def _is_in_state(wanted: TicketFilter, ticket: Ticket) -> bool:
    if wanted.seller_id is None:
        return ticket.order is None
    return wanted.status in (None, ticket.status)


def _ends(wanted: TicketFilter, reach: ScanWindow, gap: SkipRange | None) -> Iterator[str]:
    """Return the positions at which to stop looking, one after the other. What was listed since is before the gap."""
    ends = _SORTS[wanted.sort].scale.ends(reach) if _goes_by_position(wanted) else iter(())
    return ends if gap is None else chain((gap.first,), ends)


def _is_of_the_newest(wanted: TicketFilter, after: str | None) -> bool:
    """Whether all that is listed comes before what was seen of this page."""
    return wanted.sort == "newest" and after is None and _goes_by_position(wanted)


def _is_old(reach: ScanWindow, now: Instant) -> bool:
    return not reach.whole and reach.seen_at is not None and now - reach.seen_at > _OLD_MS


def _beyond(gap: SkipRange | None, end: str) -> str:
    """Return where to go on after this end: behind the gap, if it begins there."""
    return gap.last if gap is not None and end == gap.first else end


def _gap(held: Sequence[str], now: Instant) -> SkipRange | None:
    """Return what the held tickets at these positions leave out, if they are many."""
    return SkipRange(held[0], held[-1], now + _GAP_MS) if len(held) >= _A_GAP else None


def _begin(sort: _Sort, now: Instant) -> int:
    """Return the value at which the list begins."""
    return now if sort.begins is None else sort.begins


def _before(shown: Sequence[tuple[str, Ticket]], documents: Sequence[Document], key: str) -> list[str]:
    """Return the positions of the documents that come before the first one that is shown."""
    first = shown[0][0] if shown else None
    return list(takewhile(lambda position: position != first, (document[key] for document in documents)))


def _goes_by_position(wanted: TicketFilter) -> bool:
    """Whether an index leads to a position in the list: else a word or the seller leads to few tickets."""
    if wanted.seller_id is not None:
        return wanted.sort == "newest"
    return not search_terms(wanted.q, wanted.city)


def _between_positions(sort: _Sort, after: str | None, end: str | None) -> Document:
    forward = sort.scale.direction == ASCENDING
    bounds = {"$gt" if forward else "$lt": after, "$lte" if forward else "$gte": end}
    return _bounded(sort.field, bounds)


def _conditions(wanted: TicketFilter, position: Document, now: Instant) -> tuple[Document, Document]:
    """Return what an index answers, and what must hold besides."""
    words = search_terms(wanted.q, wanted.city)
    rest = _bounded("details.price", {"$gte": wanted.min_price, "$lte": wanted.max_price})
    if wanted.category is not None:
        rest["details.category"] = wanted.category
    if words or wanted.q is not None:
        rest["words"] = {"$all": words}
    if wanted.seller_id is not None:
        first: Document = {"seller_id": wanted.seller_id}
        if wanted.status is TicketStatus.WITHDRAWN:
            rest["status"] = wanted.status.value
    else:
        first = {"status": "available"}
        # What has begun cannot be bought any more.
        rest["by_start"] = {"$gt": f"{now:015d}~"}
    if words and wanted.seller_id is None:
        # The longest is likely to be the rarest.
        first, rest = {"words": max(words, key=len)}, {**rest, **first}
    goes_first = first if _goes_by_position(wanted) else rest
    for field, bounds in position.items():
        goes_first[field] = {**rest.pop(field, {}), **bounds}
    return first, rest


def _bounded(field: str, bounds: Mapping[str, object]) -> Document:
    given = {operator: bound for operator, bound in bounds.items() if bound is not None}
    return {field: given} if given else {}
