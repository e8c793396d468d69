"""What a newer release wrote and this one does not understand fails its entity, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from actors.domain.codec import UnreadableEvent
from actors.domain.refusals import Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadTicket
from actors.runtime.ports import Checkpoint, RecordedEvent
from actors.runtime.publisher import Publisher
from actors.runtime.replay import recover
from actors.storage.journal import MongoJournal
from actors.tickets.entity import TicketEntity
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, as_it_is, asked, expect, listed

NEWER = "tickets-0-newer"


async def written_by_a_newer_release(market: LocalMarket, *ticket_ids: str, seq: int = 1, **event: Any) -> None:  # noqa: ANN401
    """A commit with an event for each of these tickets, of a type that only the newer release knows."""
    events = [
        {"entity": f"ticket:{ticket_id}", "version": 2, "at": 1, "type": "TicketGifted", "data": {}, **event}
        for ticket_id in ticket_ids
    ]
    commit = {
        "_id": f"{NEWER}:{seq:012d}",
        "at": 1,
        "keys": [f"ticket:{ticket_id}:2" for ticket_id in ticket_ids],
        "events": events,
    }
    await market.connections.database["journal"].insert_one(commit)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "TicketGifted"},
        {"type": "TicketWithdrawn", "schema": 2},
        {"type": "OrderCreated", "data": {"order": {"status": "insured"}}},
        {"type": "TicketUpdated", "data": {"details": {}}},
    ],
    ids=["unknown name", "unknown version", "unknown value", "missing field"],
)
async def test_an_unreadable_event_fails_its_ticket_and_no_other(market: LocalMarket, event: dict[str, Any]) -> None:
    strange, fine = await listed(market, 2)
    await written_by_a_newer_release(market, strange, **event)
    host = market.start_tickets()
    with structlog.testing.capture_logs() as logs:
        answers = await market.ask_host(host, [a_hold(strange), a_hold(fine), ReadTicket(strange)])
    assert [type(answer) for answer in answers] == [Unavailable, TicketAnswer, Unavailable]
    assert {line["entity"] for line in logs if line["event"] == "entity_unreadable"} == {f"ticket:{strange}"}
    assert not any(job.done() for job in host.jobs)


async def test_a_host_does_not_decide_about_a_cached_ticket_after_an_unreadable_event(
    market: LocalMarket,
) -> None:
    (strange,) = await listed(market)
    await written_by_a_newer_release(market, strange)
    assert await asked(market, market.tickets, a_hold(strange)) == Unavailable()
    expect(TicketAnswer, await asked(market, market.tickets, a_ticket()))


async def test_a_ticket_with_an_unreadable_document_is_loaded_from_the_journal(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    ticket = await as_it_is(market, ticket_id)
    tickets = market.connections.database["tickets"]
    await tickets.update_one({"_id": ticket_id}, {"$set": {"order": {"status": "insured"}}})
    answer = expect(TicketAnswer, await asked(market, market.start_tickets(), ReadTicket(ticket_id)))
    assert answer.ticket == ticket


class Stream:
    def __init__(self) -> None:
        self.published: list[RecordedEvent] = []

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        self.published.extend(records)


async def test_recovery_of_a_newer_writer_applies_its_commits_for_the_readable_tickets(
    market: LocalMarket,
) -> None:
    strange, fine = await at_work(market), await at_work(market)
    await written_by_a_newer_release(market, strange)
    await written_by_a_newer_release(market, fine, seq=2, type="TicketWithdrawn")
    await market.connections.checkpoints.save(Checkpoint(NEWER, "tickets-0", 0, 0, market.connections.clock.now()))
    own, stream = market.connections, Stream()
    publisher = Publisher(own.journal, stream, own.checkpoints)
    entity = TicketEntity(own.queries)
    after = await recover(entity, own.journal, own.documents, publisher, Checkpoint(NEWER, "tickets-0", 0, 0, 0))
    document = await own.database["tickets"].find_one({"_id": fine})
    assert document is not None
    assert document["status"] == "withdrawn"
    # Its documents are left to a newer release; its events go on as they are, with those of the others.
    assert (after.applied, after.published) == (0, 2)
    told = {record.entity: record.event for record in stream.published}
    assert isinstance(told[f"ticket:{strange}"], UnreadableEvent)
    await market.recovery().round(market.live, set())


async def at_work(market: LocalMarket) -> str:
    """A ticket whose creation was relayed."""
    (ticket_id,) = await listed(market)
    await asyncio.wait_for(market.writes_everything(), 5)
    return ticket_id


async def test_the_history_of_a_ticket_shows_an_unreadable_event_by_its_name(market: LocalMarket) -> None:
    (strange,) = await listed(market)
    await written_by_a_newer_release(market, strange)
    history = await MongoJournal(market.connections.database).history(f"ticket:{strange}")
    assert [record.version for record in history] == [1, 2]
    assert isinstance(history[1].event, UnreadableEvent)
