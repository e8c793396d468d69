"""What a host waits for: its checkpoint before its first commit, an order's document before answers that name it."""

import asyncio

import pytest

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadTicket
from actors.runtime.commit_relay import CommitRelay
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.examples import order_of
from tests.support.gated_stores import GatedCheckpoints, GatedDocuments
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, asked, expect, listed


async def stays_unanswered(reply: asyncio.Task[object]) -> None:
    """Return when everything that can run has run, and there is no reply by then."""
    await asyncio.wait([reply], timeout=0.3)
    assert not reply.done()


async def test_the_first_commit_waits_until_the_writers_checkpoint_is_saved(market: LocalMarket) -> None:
    own = market.connections
    checkpoints = own.checkpoints = GatedCheckpoints(own.database)
    host = market.start_tickets()
    reply = asyncio.create_task(asked(market, host, a_ticket()))
    await stays_unanswered(reply)
    assert await own.journal.after(host.host.writer, 0, 1) == []
    assert checkpoints.waiting == 1
    assert await own.checkpoints.published([host.host.writer]) == {}
    checkpoints.gate.set()
    expect(TicketAnswer, await reply)
    assert await own.checkpoints.published([host.host.writer]) == {host.host.writer: 0}


async def test_without_registering_the_writer_commits_before_its_checkpoint_is_saved(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    own = market.connections
    checkpoints = own.checkpoints = GatedCheckpoints(own.database)
    monkeypatch.setattr(CommitRelay, "register", lambda _commit_relay: asyncio.sleep(0))
    host = market.start_tickets()
    reply = asyncio.create_task(asked(market, host, a_ticket()))
    await eventually(reply.done)
    assert await own.journal.after(host.host.writer, 0, 1) != []
    checkpoints.gate.set()
    expect(TicketAnswer, await reply)


async def reserved_twice(market: LocalMarket) -> tuple[GatedDocuments, asyncio.Task[object], asyncio.Task[object]]:
    """A reservation whose order's document is being written, and its repeat."""
    own, (ticket_id,) = market.connections, await listed(market)
    documents = own.documents = GatedDocuments(own.database)
    host, hold = market.start_tickets(), a_hold(ticket_id)
    first = asyncio.create_task(asked(market, host, hold))
    await eventually(lambda: documents.waiting > 0)
    assert await own.queries.orders([hold.order_id]) == {}
    return documents, first, asyncio.create_task(asked(market, host, hold))


async def test_a_repeated_reservation_is_answered_after_its_orders_document_is_written(market: LocalMarket) -> None:
    documents, first, again = await reserved_twice(market)
    await stays_unanswered(again)
    assert not first.done()
    documents.gate.set()
    answers = [expect(TicketAnswer, await reply) for reply in (again, first)]
    assert [answer.fresh for answer in answers] == [False, True]
    order_id = order_of(answers[0].ticket).id
    assert order_id in await market.connections.queries.orders([order_id])


async def test_without_documents_to_await_a_repeated_reservation_is_answered_before_its_orders_document_is_written(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    monkeypatch.setattr(TicketEntity, "documents_before_reply", lambda _entity, _command, _reply: ())
    documents, first, again = await reserved_twice(market)
    await eventually(again.done)
    order_id = order_of(expect(TicketAnswer, await again).ticket).id
    assert await market.connections.queries.orders([order_id]) == {}
    documents.gate.set()
    await first


async def test_a_read_does_not_wait_for_a_document(market: LocalMarket) -> None:
    own, (ticket_id,) = market.connections, await listed(market)
    documents = own.documents = GatedDocuments(own.database)
    host = market.start_tickets()
    first = asyncio.create_task(asked(market, host, a_hold(ticket_id)))
    await eventually(lambda: documents.waiting > 0)
    expect(TicketAnswer, await asked(market, host, ReadTicket(ticket_id)))
    assert not first.done()
    documents.gate.set()
    await first
