"""Lists when very many tickets came at about one time: more than the embedded database reads while somebody waits."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import ExecutionTimeout, NetworkTimeout, PyMongoError

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.storage.catalogue import MongoCatalogue, TicketFilter
from actors.storage.embedded.catalogue import EmbeddedCatalogue
from actors.storage.orders import Orders
from actors.storage.page import Page
from serve_app.http.timestamps import iso
from tests.api.world import World

DAY_MS = 86_400_000


class Slow(EmbeddedCatalogue):
    """Reads from a database that takes too long when more than so many tickets match, as the embedded one does."""

    reads = 0
    in_vain = 0
    most = 20
    error: type[PyMongoError] = ExecutionTimeout

    async def _read(self, matches: Sequence[Any], sort: str, limit: int, milliseconds: int) -> Sequence[Any]:
        self.reads += 1
        if await self._tickets.count_documents({"$and": list(matches)}) > self.most:
            self.in_vain += 1
            raise self.error("it took too long")
        return await super()._read(matches, sort, limit, milliseconds)


@pytest.mark.parametrize("sort", ["newest", "price", "-price", "startsAt"])
@pytest.mark.parametrize("alike", [True, False])
async def test_crowded_tickets_are_found_in_narrower_scan_windows(world: World, sort: str, *, alike: bool) -> None:
    """The list was short when it was read last, or was never read; then very many were listed at about one time."""
    seller = await world.someone()
    tickets, other = Slow(world.database, Orders(world.database)), Slow(world.database, Orders(world.database))
    # The embedded database often does not notice by itself; then its answer does not come in time.
    other.error = NetworkTimeout
    first = await seller.lists(title="first", price=5_000, startsAt=iso(world.clock.instant + DAY_MS))
    assert len((await tickets.page(TicketFilter(sort), 10, None, world.clock.instant)).items) == 1
    await listed_like(world, first["id"], 100, alike=alike)
    world.clock.advance(3_600)

    for reader in (tickets, other):
        found = await found_at_last(reader, sort, world.clock.instant)
        expected = await MongoCatalogue(world.database, Orders(world.database)).page(
            TicketFilter(sort), 10, None, world.clock.instant
        )
        assert [one.id for one in found.items] == [one.id for one in expected.items]
        # From then on it is known where to look.
        before = reader.reads
        assert await reader.page(TicketFilter(sort), 10, None, world.clock.instant) == found
        assert reader.reads - before <= 2


async def test_scan_of_the_newest_tickets_begins_anew_after_a_while_because_many_may_have_come(world: World) -> None:
    seller = await world.someone()
    tickets = Slow(world.database, Orders(world.database))
    first = await seller.lists()
    await listed_like(world, first["id"], 15, alike=False)
    world.clock.advance(60)
    before = await tickets.page(TicketFilter("newest"), 10, None, world.clock.instant)
    await listed_like(world, first["id"], 100, alike=False, after_ms=60_000)
    world.clock.advance(61)
    found = await tickets.page(TicketFilter("newest"), 10, None, world.clock.instant)
    assert {one.id for one in found.items}.isdisjoint(one.id for one in before.items)
    assert tickets.in_vain == 0


async def found_at_last(tickets: Slow, sort: str, now: Instant) -> Page[Ticket]:
    for _ in range(20):
        with suppress(tickets.error):
            return await tickets.page(TicketFilter(sort), 10, None, now)
    raise AssertionError("it was not found after 20 tries")


async def listed_like(world: World, ticket_id: str, count: int, *, alike: bool, after_ms: int = 0) -> None:
    """Lists so many more tickets within a minute, so long after it, all of one price and start or each of its own."""
    like = await world.database["tickets"].find_one({"_id": ticket_id})
    assert like is not None
    documents = []
    for number in range(count):
        one = str(ObjectId())
        other = 0 if alike else number
        documents.append(
            {
                **like,
                "_id": one,
                "by_newest": f"{like['created_at'] + after_ms + 1 + number * 60_000 // count:015d}{one}",
                "by_price": f"{5_000 + other:010d}{one}",
                "by_start": f"{int(like['by_start'][:15]) + other:015d}{one}",
            }
        )
    await world.database["tickets"].insert_many(documents)
