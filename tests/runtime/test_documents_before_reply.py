"""What somebody was told of can be read: a reply waits for every document that it tells of, whoever is to write it."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from actors.domain.refusals import OrderClosed
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, ReadOrder, TicketCommand
from actors.domain.ticket_values import OrderStatus, TicketStatus
from actors.read_model.projections import ticket_document
from actors.runtime.ports import DocumentUpdate
from actors.storage.database import Database
from actors.storage.documents import MongoDocuments
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.examples import new_id
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, as_it_is, expect, held, listed


class PromisesNothing(TicketEntity):
    """Its replies wait for the documents of their own turn's events only."""

    async def prefetch(self, *asked: Any, **options: Any) -> list[DocumentUpdate]:  # noqa: ANN401 - passed on
        await super().prefetch(*asked, **options)
        return []

    def documents_before_reply(self, _command: TicketCommand, _reply: object) -> tuple[()]:
        return ()


class SlowDocuments(MongoDocuments):
    """The first order takes its time to be written."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        if not self.began.is_set() and any(one.collection == "orders" for one in updates):
            self.began.set()
            await self.goes_on.wait()
        await super().write(updates)


async def cancelled_after_it_expired(market: LocalMarket, entity: TicketEntity) -> OrderStatus:
    """How the order reads once its buyer was told that it is over."""
    market.tickets = market._start(entity, "tickets-0")
    (ticket_id,) = await listed(market)
    market.tickets.jobs[1].cancel()  # nothing is written but what replies wait for
    hold = await held(market, ticket_id, window=1)

    async def is_available() -> bool:
        return (await as_it_is(market, ticket_id)).status is TicketStatus.AVAILABLE

    await eventually(is_available)
    assert await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)) == OrderClosed()
    return (await market.connections.queries.orders([hold.order_id]))[hold.order_id].status


async def test_an_order_that_was_answered_as_closed_is_not_read_as_open(market: LocalMarket) -> None:
    entity = TicketEntity(market.connections.queries)
    assert await cancelled_after_it_expired(market, entity) is OrderStatus.CANCELLED


async def test_without_documents_before_reply_a_closed_order_is_read_as_open(market: LocalMarket) -> None:
    entity = PromisesNothing(market.connections.queries)
    assert await cancelled_after_it_expired(market, entity) is OrderStatus.CREATED


async def the_second_click(market: LocalMarket, entity: TicketEntity) -> int:
    """How many orders a buyer finds who clicked twice, and was answered to the second click first."""
    (ticket_id,) = await listed(market)
    slow = SlowDocuments(market.connections.database)
    market.connections.documents = slow
    market.tickets = market._start(entity, "tickets-0")
    buyer_id = new_id()
    first = asyncio.create_task(market.ask_ticket(a_hold(ticket_id, buyer_id=buyer_id)))
    await slow.began.wait()
    second = expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id, buyer_id=buyer_id)))
    assert second.order is not None
    found = await market.connections.queries.orders([second.order.id])
    slow.goes_on.set()
    assert expect(TicketAnswer, await first).order == second.order
    return len(found)


async def test_the_order_that_a_repeated_reservation_answers_can_be_read(market: LocalMarket) -> None:
    assert await the_second_click(market, TicketEntity(market.connections.queries)) == 1


async def test_without_documents_before_reply_a_repeated_reservation_answers_an_order_that_cannot_be_read(
    market: LocalMarket,
) -> None:
    assert await the_second_click(market, PromisesNothing(market.connections.queries)) == 0


@pytest.mark.parametrize("asked", [CancelOrder, ReadOrder])
async def test_an_order_that_a_host_ended_which_died_is_not_read_as_open_once_it_is_answered_as_closed(
    market: LocalMarket, asked: type[CancelOrder | ReadOrder]
) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    orders = market.connections.database["orders"]
    before = await orders.find_one({"_id": hold.order_id})
    assert before is not None
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))
    ticket = expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id))).ticket
    # Its host wrote the ticket's document of after that, and died before it wrote the order's.
    await market.writes_everything()
    document = DocumentUpdate("tickets", ticket_id, ticket.version, partial(ticket_document, ticket))
    await market.connections.documents.write([document])
    await orders.replace_one({"_id": hold.order_id}, before)

    market.tickets = market._start(TicketEntity(market.connections.queries), "tickets-0")
    assert await market.ask_ticket(asked(ticket_id, hold.order_id)) == OrderClosed()

    found = await market.connections.queries.orders([hold.order_id])
    assert found[hold.order_id].status is OrderStatus.CANCELLED


async def test_an_order_known_from_the_tickets_document_only_is_written_before_it_is_answered(
    market: LocalMarket,
) -> None:
    (ticket_id,) = await listed(market)
    hold = a_hold(ticket_id)
    ticket = expect(TicketAnswer, await market.ask_ticket(hold)).ticket
    # Its host wrote the ticket's document before the order's, and died in between.
    document = DocumentUpdate("tickets", ticket_id, ticket.version, partial(ticket_document, ticket))
    await market.connections.documents.write([document])
    await market.connections.database["orders"].delete_one({"_id": hold.order_id})

    market.tickets = market._start(TicketEntity(market.connections.queries), "tickets-0")
    again = expect(TicketAnswer, await market.ask_ticket(hold))

    assert again.order is not None
    assert await market.connections.queries.orders([hold.order_id]) == {hold.order_id: again.order}
