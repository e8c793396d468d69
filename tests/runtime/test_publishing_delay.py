"""An event is in its stream within 100 ms of its commit, in the median."""

from statistics import median
from typing import Any

from holdfast.events.event import Event
from holdfast.events.partitions import STREAM_KEYS
from holdfast.events.stream_position import entry_id_of
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.trading import held, listed

EVENTS = 40
MOST_MS = 100


async def delays_ms(market: LocalMarket, ticket_ids: set[str]) -> list[int]:
    """How long after its decision each `order.created` was appended: the id of an entry is its time in Redis."""
    found: list[int] = []
    for key in STREAM_KEYS:
        entries: Any = await market.connections.redis.xrange(key)
        for entry_id, fields in entries:
            event = Event.of_fields(fields)
            if event.subject == "order.created" and event.partition_key in ticket_ids:
                found.append(entry_id_of(entry_id.decode())[0] - event.time_ms)
    return found


async def test_event_is_in_the_stream_within_100_ms_of_its_commit_in_the_median(market: LocalMarket) -> None:
    ticket_ids = await listed(market, EVENTS)
    for ticket_id in ticket_ids:
        await held(market, ticket_id)
    delays: list[int] = []

    async def all_are_published() -> bool:
        delays[:] = await delays_ms(market, set(ticket_ids))
        return len(delays) == EVENTS

    await eventually(all_are_published)
    print(f"an event is in its stream after {median(delays):.0f} ms, the slowest after {max(delays)} ms")  # noqa: T201
    assert median(delays) <= MOST_MS, sorted(delays)
