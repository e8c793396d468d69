"""How many tickets one buyer may hold at a time: exact within one host."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.domain.refusals import TooManyHolds
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Sell
from actors.domain.unpaid_holds import HOUR_MS, MOST_OF_A_BUYER
from actors.runtime.ports import DocumentUpdate
from actors.storage.documents import MongoDocuments
from actors.tickets.open_holds import OpenHolds
from tests.support.eventually import eventually
from tests.support.examples import CHARGE, DETAILS, new_id
from tests.support.local_market import LocalMarket, RunningHost
from tests.support.trading import a_hold, asked, expect, listed

LIMIT = 10


@pytest.fixture
def buyer() -> str:
    return new_id()


async def hold(market: LocalMarket, ticket_id: str, buyer: str, limit: int, window: int = 60_000) -> object:
    return await market.ask_ticket(a_hold(ticket_id, buyer_id=buyer, max_holds=limit, window=window))


async def test_a_hundred_concurrent_reservations_of_one_buyer_are_accepted_up_to_the_hold_limit(
    market: LocalMarket, buyer: str
) -> None:
    tickets = await listed(market, 100)
    answers = await asyncio.gather(*(hold(market, ticket_id, buyer, LIMIT) for ticket_id in tickets))
    assert sum(isinstance(answer, TicketAnswer) for answer in answers) == LIMIT
    assert answers.count(TooManyHolds(LIMIT)) == len(tickets) - LIMIT


async def test_the_hold_limit_is_kept_across_many_turns(market: LocalMarket, buyer: str) -> None:
    tickets = await listed(market, 15)
    answers = [await hold(market, ticket_id, buyer, LIMIT) for ticket_id in tickets]
    assert [isinstance(answer, TicketAnswer) for answer in answers] == [True] * LIMIT + [False] * 5


async def test_the_hold_limit_is_counted_for_each_buyer(market: LocalMarket, buyer: str) -> None:
    first, second = await listed(market, 2)
    expect(TicketAnswer, await hold(market, first, buyer, 1))
    expect(TicketAnswer, await hold(market, second, new_id(), 1))


async def test_a_new_host_knows_the_holds_that_were_made_before_it(market: LocalMarket, buyer: str) -> None:
    first, second = await listed(market, 2)
    await hold(market, first, buyer, 1)
    await market.tickets.kill()
    market.tickets = market.start_tickets()
    assert await hold(market, second, buyer, 1) == TooManyHolds(1)


async def test_an_expired_hold_does_not_count_for_the_limit(market: LocalMarket, buyer: str) -> None:
    first, second = await listed(market, 2)
    held = expect(TicketAnswer, await hold(market, first, buyer, 1, window=1_000))
    assert held.order is not None
    end = held.order.expires_at
    assert await hold(market, second, buyer, 1) == TooManyHolds(1)
    await eventually(lambda: market.connections.clock.now() >= end)
    expect(TicketAnswer, await hold(market, second, buyer, 1))


async def held_and_its_end(market: LocalMarket, buyer: str, *, sold: bool) -> tuple[str, Sell | CancelOrder]:
    """The buyer holds all that is allowed. Another ticket, and what ends the hold."""
    first, second = await listed(market, 2)
    held = expect(TicketAnswer, await hold(market, first, buyer, 1))
    assert held.order is not None
    order_id = held.order.id
    return second, Sell(first, order_id, CHARGE, DETAILS.price, 1) if sold else CancelOrder(first, order_id)


@pytest.mark.parametrize("sold", [True, False])
async def test_a_sold_or_cancelled_hold_does_not_count_for_the_limit(
    market: LocalMarket, buyer: str, *, sold: bool
) -> None:
    second, end = await held_and_its_end(market, buyer, sold=sold)
    expect(TicketAnswer, await market.ask_ticket(end))
    expect(TicketAnswer, await hold(market, second, buyer, 1))


async def test_a_refused_reservation_does_not_count_for_the_hold_limit(market: LocalMarket, buyer: str) -> None:
    taken, free = await listed(market, 2)
    await market.ask_ticket(a_hold(taken))
    for _ in range(3):
        await hold(market, taken, buyer, 1)
    expect(TicketAnswer, await hold(market, free, buyer, 1))


async def test_a_reservation_that_lost_against_another_host_does_not_count_for_the_hold_limit(
    market: LocalMarket, buyer: str
) -> None:
    taken, free = await listed(market, 2)
    elsewhere = market.start_tickets()
    expect(TicketAnswer, await asked(market, elsewhere, a_hold(taken)))
    await hold(market, taken, buyer, 1)
    assert market.tickets.host.counters.fenced == 1
    expect(TicketAnswer, await hold(market, free, buyer, 1))


class SlowDocuments(MongoDocuments):
    """Orders are written once the gate is open: so it is for milliseconds after every commit."""

    def __init__(self, market: LocalMarket) -> None:
        super().__init__(market.connections.database)
        self.gate = asyncio.Event()

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        if any(one.collection == "orders" for one in updates):
            await self.gate.wait()
        await super().write(updates)


async def test_the_hold_limit_is_exact_when_a_reservation_is_decided_again(market: LocalMarket, buyer: str) -> None:
    first, contested = await listed(market, 2)
    elsewhere = market.start_tickets()
    documents = market.connections.documents = SlowDocuments(market)
    host = market.start_tickets()
    theirs = a_hold(contested)
    await asked(market, host, a_hold(contested, buyer_id=new_id(), max_holds=0))
    for command in (theirs, CancelOrder(contested, theirs.order_id)):
        expect(TicketAnswer, await asked(market, elsewhere, command))
    accepted = asyncio.create_task(asked(market, host, a_hold(first, buyer_id=buyer, max_holds=1)))
    await eventually(lambda: host.host.counters.commits == 1)
    second = asyncio.create_task(asked(market, host, a_hold(contested, buyer_id=buyer, max_holds=1)))
    await asyncio.wait([second], timeout=0.5)
    documents.gate.set()
    expect(TicketAnswer, await accepted)
    assert await second == TooManyHolds(1)


async def test_a_hold_without_a_document_still_counts_when_tickets_have_moved_between_hosts(
    market: LocalMarket, buyer: str
) -> None:
    first, second = await listed(market, 2)
    documents = market.connections.documents = SlowDocuments(market)
    host = market.start_tickets()
    accepted = asyncio.create_task(asked(market, host, a_hold(first, buyer_id=buyer, max_holds=1)))
    await eventually(lambda: host.host.counters.commits == 1)
    tickets_have_moved(host)
    refused = asyncio.create_task(asked(market, host, a_hold(second, buyer_id=buyer, max_holds=1)))
    await asyncio.wait([refused], timeout=0.5)
    documents.gate.set()
    expect(TicketAnswer, await accepted)
    assert await refused == TooManyHolds(1)


@pytest.mark.parametrize("sold", [True, False])
async def test_a_hold_that_another_host_ended_does_not_count_when_tickets_have_moved_between_hosts(
    market: LocalMarket, buyer: str, *, sold: bool
) -> None:
    second, end = await held_and_its_end(market, buyer, sold=sold)
    expect(TicketAnswer, await asked(market, market.start_tickets(), end))
    tickets_have_moved(market.tickets)
    expect(TicketAnswer, await hold(market, second, buyer, 1))


async def test_a_hold_that_ended_unpaid_counts_once_when_it_is_learned_again(market: LocalMarket, buyer: str) -> None:
    (ticket_id,) = await listed(market)
    held = expect(TicketAnswer, await hold(market, ticket_id, buyer, LIMIT))
    assert held.order is not None
    ended = expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, held.order.id))).order
    assert ended is not None
    holds = OpenHolds()
    holds.learn([buyer], [held.order])
    holds.note(ended)
    holds.on_turn_end(committed=True)
    many = [replace(ended, id=new_id(), updated_at=ended.updated_at + number) for number in range(1, MOST_OF_A_BUYER)]
    holds.doubt()
    assert holds.unknown([buyer]) == {buyer}
    holds.learn([buyer], [ended, *many[:-1]])
    assert holds.unpaid_until(buyer) == 0
    holds.doubt()
    holds.learn([buyer], many)
    assert holds.unpaid_until(buyer) == ended.updated_at + HOUR_MS


def tickets_have_moved(running: RunningHost) -> None:
    running.host._entity.on_shares_changed()
