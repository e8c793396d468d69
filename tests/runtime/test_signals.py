"""What can be seen of a host while it works: its mailbox, how busy it is, how long things take and what they led to."""

import asyncio
import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from actors.cluster.serialization import pack
from actors.domain.refusals import AlreadyReserved, NotFound
from actors.domain.ticket_commands import Expire, ReadTicket
from actors.processes.base import HostActor
from actors.runtime.ports import Instant, RecordedEvent, Reply, StoreUnavailableError
from actors.runtime.signals import BUCKET_SECONDS, BUSY_SECONDS, Buckets, BusyShare
from config.settings import Settings
from tests.support.broken_journals import GatedJournal
from tests.support.eventually import eventually
from tests.support.examples import new_id
from tests.support.gated_stores import GatedDocuments
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, asked, held, listed


class StreamThatIsAway:
    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        raise StoreUnavailableError(len(records))


def counted(buckets: tuple[int, ...]) -> int:
    assert all(earlier <= later for earlier, later in pairwise(buckets))
    return buckets[-1]


async def test_signals_of_a_host_tell_what_waits_and_for_how_long(market: LocalMarket) -> None:
    journal = market.connections.journal = GatedJournal(market.connections.database)
    host = market.start_tickets()
    first = asyncio.create_task(asked(market, host, a_ticket()))
    await eventually(lambda: journal.waiting == 1)
    others = [asyncio.create_task(asked(market, host, a_ticket())) for _ in range(3)]
    await eventually(lambda: host.host.signals().mailbox_depth == 3)
    early = host.host.signals()
    # The turn that waits for the journal is part of what the host is busy with, before it is over.
    await eventually(lambda: host.host.signals().busy_share > early.busy_share)
    await eventually(lambda: host.host.signals().oldest_wait_seconds > early.oldest_wait_seconds)
    assert early.turn[-1] == early.commit[-1] == 0
    journal.gate.set()
    await asyncio.gather(first, *others)
    late = host.host.signals()
    assert (late.mailbox_depth, late.oldest_wait_seconds) == (0, 0.0)
    assert counted(late.mailbox_wait) == 4
    assert counted(late.commit) == host.host.counters.commits == 2
    # That of the last turn may not have ended when its reply left.
    assert counted(late.turn) in {host.host.counters.turns, host.host.counters.turns - 1}
    # Three of the messages waited as long as the gate was shut.
    assert late.mailbox_wait[bisect_left(BUCKET_SECONDS, early.oldest_wait_seconds) - 1] <= 1


async def test_signals_count_the_entities_holds_and_events_of_a_host(market: LocalMarket) -> None:
    (sold, _) = await listed(market, 2)
    hold = await held(market, sold)
    signals = market.tickets.host.signals()
    assert (signals.entities, signals.holds) == (2, 1)
    assert signals.events == {"TicketCreated": 2, "OrderCreated": 1}
    assert signals.expiry_late[-1] == 0
    await market.ask_ticket(Expire(sold, hold.order_id))
    assert market.tickets.host.signals().holds == 1, "a hold that is not due does not end"


async def test_signals_tell_how_late_a_hold_ended(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    await asked(market, market.tickets, a_hold(ticket_id, window=50))
    await eventually(lambda: "OrderExpired" in market.tickets.host.signals().events)
    signals = market.tickets.host.signals()
    assert (signals.holds, counted(signals.expiry_late)) == (0, 1)
    assert signals.expiry_late[bisect_left(BUCKET_SECONDS, 5.0)] == 1


async def test_signals_tell_of_commits_that_are_not_applied_or_published(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    documents = market.connections.documents = GatedDocuments(market.connections.database)
    host = market.start_tickets()
    hold = asyncio.create_task(asked(market, host, a_hold(ticket_id)))
    await eventually(lambda: documents.waiting > 0)
    assert host.host.signals().unapplied == 1
    await eventually(lambda: host.host.signals().unpublished == 0)
    documents.gate.set()
    await hold
    await eventually(lambda: host.host.signals().unapplied == 0)


async def test_signals_tell_of_commits_that_redis_does_not_take(market: LocalMarket) -> None:
    market.connections.stream = StreamThatIsAway()
    host = market.start_tickets()
    await asked(market, host, a_ticket())
    await asked(market, host, a_ticket())
    assert host.host.signals().unpublished == 2


class Alone:
    """A system without other actors."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def settings(self) -> Settings:
        return self._settings

    def new_id(self) -> str:
        return "1"

    def place(self) -> tuple[int, str, float]:
        return 1, "node", 0.0


class Refusing(HostActor):
    async def handle(self, messages: Sequence[Any], _deadline: Instant, *, redelivered: bool) -> Sequence[Reply]:  # noqa: ARG002
        return [AlreadyReserved(), "an answer", AlreadyReserved(), NotFound()][: len(messages)]


async def test_an_actor_counts_what_it_refuses_by_reason(market_settings: Settings) -> None:
    actor = Refusing("tickets-0", Alone(market_settings))  # type: ignore[arg-type]
    actor._started = asyncio.create_task(asyncio.sleep(0))
    await actor.deliver_packed(pack([ReadTicket(new_id())] * 4), 0)
    assert (await actor.ping()).refusals == {"AlreadyReserved": 2, "NotFound": 1}


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.0051, 5.0, 5.1])
def test_a_duration_is_counted_in_each_bucket_that_it_fits_into(seconds: float) -> None:
    buckets = Buckets()
    buckets.add(seconds, count=2)
    fits = [seconds <= end for end in (*BUCKET_SECONDS, math.inf)]
    assert buckets.cumulative() == tuple(2 * fit for fit in fits)


def test_the_busy_share_follows_what_was_done_in_the_last_seconds() -> None:
    busy = BusyShare()
    assert busy.at(100.0) == 0
    busy.turn(100.0, is_busy=True)
    assert busy.at(100.0 + 10 * BUSY_SECONDS) == pytest.approx(1.0, abs=0.001)
    busy.turn(100.0 + 10 * BUSY_SECONDS, is_busy=False)
    assert busy.at(100.0 + 11 * BUSY_SECONDS) == pytest.approx(1 / math.e, abs=0.001)


def test_the_busy_share_of_a_host_that_is_busy_every_other_moment_is_a_half() -> None:
    busy = BusyShare()
    for moment in range(10_000):
        busy.turn(moment / 1000, is_busy=moment % 2 == 0)
    assert busy.at(10.0) == pytest.approx(0.5, abs=0.01)
