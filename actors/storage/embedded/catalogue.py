"""Lists of tickets from a database that reads all that matches before it sorts and limits.

To be deleted when `test_a_sorted_list_is_read_to_its_end` fails: then `MongoCatalogue` is as quick.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from typing import Any

import pymongo
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ExecutionTimeout, NetworkTimeout

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.read_model.search_terms import search_terms
from actors.storage.catalogue import MOST_LOOKED_AT, MOST_MS, SORTS, TicketFilter, between, conditions, narrowed, shown
from actors.storage.embedded.range_scan import WHOLE_LIST, ScanWindow, SkipRange, SortKey, WindowCache
from actors.storage.orders import Orders
from actors.storage.page import Page

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Sort:
    """An order of the list: its positions, and where it begins (cents, or no end)."""

    scale: SortKey
    begins: int | None = None


# Cents have ten digits in a position, instants fifteen (see `ticket_document`). The lists by time begin at this moment.
_DIGITS = {"by_newest": 15, "by_price": 10, "by_start": 15}
_BEGINS = {"price": 1, "-price": 99_999_999}
_SORTS = {
    name: _Sort(SortKey(_DIGITS[field], direction), _BEGINS.get(name)) for name, (field, direction) in SORTS.items()
}
# To look at as many tickets as a page may takes most of a second. So as many as this in a row that are all held are
# left out for some seconds; one that is for sale again shows up after them.
_A_GAP = 50
_GAP_MS = 3_000
# A window that takes a quarter of the time has too many in it: a narrower one is tried. What no position leads to is
# tried once.
_TRIES = 4
# Some 30,000 tickets may have been listed since, so the newest are looked for anew: that takes some 50 small reads.
_OLD_MS = 15_000


class EmbeddedCatalogue:
    """Reads a list by a range scan: in windows of its order, and remembers where each page was found."""

    def __init__(self, database: AsyncDatabase[Document], orders: Orders) -> None:
        self._tickets = database["tickets"]
        self._orders = orders
        self._reaches = WindowCache[tuple[TicketFilter, str | None]]()

    async def page(
        self, wanted: TicketFilter, limit: int, after: str | None, now: Instant, *, refresh: bool = False
    ) -> Page[Ticket]:
        """See Catalogue. Mostly it takes two queries."""
        field, sort = SORTS[wanted.sort][0], _SORTS[wanted.sort]
        reach = self._reach(wanted, after, now)
        gap = reach.gap if reach.gap is not None and now < reach.gap.until and not refresh else None
        ends = _ends(wanted, reach, gap)
        tries = _TRIES if _goes_by_position(wanted) else 1
        milliseconds = MOST_MS // tries
        found: list[tuple[str, Ticket]] = []
        held: list[str] = []
        position, end, looked_at = after, next(ends, None), 0
        while True:
            length = max(limit + 1, reach.documents, looked_at)
            first, rest = _in_two(wanted, between(wanted.sort, position, end), now)
            try:
                documents = await self._read([first, rest], wanted.sort, length, milliseconds)
            except (ExecutionTimeout, NetworkTimeout):
                narrower = self._narrower((wanted, after), position or _begin(sort, now), end)
                tries -= 1
                if not tries:
                    raise
                gap, ends = None, sort.scale.ends(narrower)
                end = next(ends, None)
                continue
            looked_at += len(documents)
            for_sale = await shown(self._orders, wanted, documents, now)
            if not found:
                held += _before(for_sale, documents, field)
            found += for_sale
            if len(found) > limit:
                key, last = found[limit - 1][0], found[limit][0]
                known = sort.scale.reach(found[0][0], last, looked_at)
                self._remember(wanted, after, key, replace(known, gap=gap or _gap(held, now), seen_at=now))
                return Page([ticket for _, ticket in found[:limit]], key)
            if len(documents) == length:
                position = documents[-1][field]
                if looked_at >= MOST_LOOKED_AT:
                    return Page([ticket for _, ticket in found], position)
            elif end is None:
                if looked_at < MOST_LOOKED_AT:
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

    async def _read(self, matches: Sequence[Document], sort: str, limit: int, milliseconds: int) -> Sequence[Document]:
        """Raises ExecutionTimeout or NetworkTimeout when it takes longer.

        The database does not look at the clock while it reads from an index, so nobody waits for it either.
        """
        steps: list[Document] = [
            *({"$match": match} for match in matches),
            {"$sort": dict([SORTS[sort]])},
            {"$limit": limit},
        ]
        with pymongo.timeout(milliseconds / 1_000):
            return await (await self._tickets.aggregate(steps)).to_list()


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


def _before(for_sale: Sequence[tuple[str, Ticket]], documents: Sequence[Document], field: str) -> list[str]:
    """Return the positions of the documents that come before the first one that is for sale."""
    first = for_sale[0][0] if for_sale else None
    return list(takewhile(lambda position: position != first, (document[field] for document in documents)))


def _goes_by_position(wanted: TicketFilter) -> bool:
    """Whether an index leads to a position in the list: else a word or the seller leads to few tickets."""
    if wanted.seller_id is not None:
        return wanted.sort == "newest"
    return not search_terms(wanted.q, wanted.city)


def _in_two(wanted: TicketFilter, position: Document, now: Instant) -> tuple[Document, Document]:
    """Return what an index answers, and what must hold besides.

    They are two steps, as the database looks into an index only for all that the first one names. One is enough when
    `test_an_index_is_not_used_for_a_condition_that_has_more_than_its_fields` fails.
    """
    rest = conditions(wanted, now)
    if wanted.seller_id is not None:
        first: Document = {"seller_id": rest.pop("seller_id")}
    elif words := search_terms(wanted.q, wanted.city):
        # The longest is likely to be the rarest.
        first = {"words": max(words, key=len)}
    else:
        first = {"status": rest.pop("status")}
    if not _goes_by_position(wanted):
        return first, narrowed(rest, position)
    own = {field: rest.pop(field) for field in position if field in rest}
    return first | narrowed(own, position), rest
