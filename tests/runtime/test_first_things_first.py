"""What a host waits for: its mark before its first commit, and an order's document before any answer that names it."""

import asyncio

import pytest

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ReadTicket
from actors.runtime.commit_relay import CommitRelay
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.gated_stores import GatedDocuments, GatedMarks
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, asked, expect, listed


async def settled(reply: asyncio.Task[object], *, ends: bool) -> None:
    """Returns when everything that can run has run; whether there is a reply by then is as is said."""
    if ends:
        await eventually(reply.done)
    else:
        await asyncio.wait([reply], timeout=0.3)
        assert not reply.done()


@pytest.mark.parametrize("protected", [True, False])
async def test_nothing_is_committed_before_the_writers_mark_is_saved(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch, *, protected: bool
) -> None:
    own = market.connections
    marks = own.marks = GatedMarks(own.database)
    if not protected:
        monkeypatch.setattr(CommitRelay, "register", lambda _commit_relay: asyncio.sleep(0))
    host = market.start_tickets()
    reply = asyncio.create_task(asked(market, host, a_ticket()))
    await settled(reply, ends=not protected)
    assert bool(await own.journal.after(host.host.writer, 0, 1)) is not protected
    if protected:
        assert marks.waiting == 1
        assert await own.marks.published([host.host.writer]) == {}
    marks.gate.set()
    expect(TicketAnswer, await reply)
    if protected:
        assert await own.marks.published([host.host.writer]) == {host.host.writer: 0}


@pytest.mark.parametrize("protected", [True, False])
async def test_a_repeat_that_comes_while_the_orders_document_is_being_written_is_answered_after_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch, *, protected: bool
) -> None:
    own, (ticket_id,) = market.connections, await listed(market)
    if not protected:
        monkeypatch.setattr(TicketEntity, "documents_before_reply", lambda _behaviour, _command, _reply: ())
    documents = own.documents = GatedDocuments(own.database)
    host, hold = market.start_tickets(), a_hold(ticket_id)
    first = asyncio.create_task(asked(market, host, hold))
    await eventually(lambda: documents.waiting > 0)
    again = asyncio.create_task(asked(market, host, hold))
    await settled(again, ends=not protected)
    assert not first.done()
    assert await own.queries.orders([hold.order_id]) == {}
    documents.gate.set()
    answers = [expect(TicketAnswer, await reply) for reply in (again, first)]
    assert [answer.fresh for answer in answers] == [False, True]
    assert hold.order_id in await own.queries.orders([hold.order_id])


async def test_who_only_reads_does_not_wait_for_a_document(market: LocalMarket) -> None:
    own, (ticket_id,) = market.connections, await listed(market)
    documents = own.documents = GatedDocuments(own.database)
    host = market.start_tickets()
    first = asyncio.create_task(asked(market, host, a_hold(ticket_id)))
    await eventually(lambda: documents.waiting > 0)
    expect(TicketAnswer, await asked(market, host, ReadTicket(ticket_id)))
    assert not first.done()
    documents.gate.set()
    await first
