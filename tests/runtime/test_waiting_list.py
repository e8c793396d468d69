"""A released ticket goes to the first in line who may buy, in the commit that releases it."""

from collections.abc import Collection

import pytest

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, CloseWaitingList, JoinWaitingList, LeaveWaitingList
from actors.domain.ticket_events import OfferAccepted, OrderCancelled, OrderCreated, OrderExpired
from actors.domain.ticket_values import Order, TicketStatus
from actors.domain.unpaid_holds import MOST_OF_A_TICKET
from actors.storage.entities import MongoEntities
from actors.storage.users import User, Users
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.examples import NOW, new_id
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, as_it_is, expect, held, listed


async def somebody(market: LocalMarket) -> str:
    user_id = new_id()
    assert await Users(market.connections.database).add(User(user_id, f"{user_id}@example.org", "", NOW, 1))
    return user_id


async def waiting(market: LocalMarket, ticket_id: str, *user_ids: str) -> None:
    for user_id in user_ids:
        expect(TicketAnswer, await market.ask_ticket(JoinWaitingList(ticket_id, user_id)))


async def offered_order(market: LocalMarket, ticket_id: str) -> Order:
    order = (await as_it_is(market, ticket_id)).order
    assert order is not None
    assert order.offer
    return order


@pytest.fixture
async def line(market: LocalMarket) -> list[str]:
    return [await somebody(market) for _ in range(3)]


async def test_release_and_offer_are_one_commit_in_the_journal(market: LocalMarket, line: list[str]) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await waiting(market, ticket_id, *line)
    answer = expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))
    assert answer.order is not None
    assert answer.order.id == hold.order_id, "the answer is about the order that was let go, not about the offer"
    offer = await offered_order(market, ticket_id)
    assert offer.buyer_id == line[0]
    (commit,) = await market.connections.journal.commits_with_keys({f"order:{offer.id}"})
    assert [type(record.event) for record in commit.records] == [OrderCancelled, OrderCreated]


async def test_an_expired_hold_is_offered_to_the_first_in_line(market: LocalMarket, line: list[str]) -> None:
    (ticket_id,) = await listed(market)
    await held(market, ticket_id, window=400)
    await waiting(market, ticket_id, *line)
    # Listed, held, joined three times, and released by the timer.
    await eventually(lambda: market.tickets.host.counters.commits == 6)
    offer = await offered_order(market, ticket_id)
    assert offer.buyer_id == line[0]
    (commit,) = await market.connections.journal.commits_with_keys({f"order:{offer.id}"})
    assert [type(record.event) for record in commit.records] == [OrderExpired, OrderCreated]


async def test_a_banned_or_deleted_waiter_is_passed_over(market: LocalMarket, line: list[str]) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await waiting(market, ticket_id, new_id(), *line)
    assert await Users(market.connections.database).ban(line[0], NOW)
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    assert (await offered_order(market, ticket_id)).buyer_id == line[1]


async def test_unverified_waiters_are_passed_over_where_verification_is_required(
    market: LocalMarket, line: list[str]
) -> None:
    users = Users(market.connections.database)
    verified = await users.by_id(line[1])
    assert verified is not None
    assert await users.verify_email(verified, NOW)
    await market.tickets.kill()
    market.tickets = market._start(TicketEntity(market.connections.queries, verified_only=True), "tickets-0")
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await waiting(market, ticket_id, *line)
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    assert (await offered_order(market, ticket_id)).buyer_id == line[1]


class CountedQueries(MongoEntities):
    """Counts how often it is asked who may buy."""

    asked = 0

    async def may_buy(self, user_ids: Collection[str], *, verified: bool) -> frozenset[str]:
        self.asked += 1
        return await super().may_buy(user_ids, verified=verified)


async def test_a_turn_asks_once_who_may_buy_and_only_if_it_releases_a_ticket(
    market: LocalMarket, line: list[str]
) -> None:
    queries = CountedQueries(market.connections.database)
    await market.tickets.kill()
    market.tickets = market._start(TicketEntity(queries), "tickets-0")
    ids = await listed(market, 5)
    holds = [await held(market, ticket_id) for ticket_id in ids]
    joins = [JoinWaitingList(ticket_id, line[0]) for ticket_id in ids]
    await market.ask_host(market.tickets, [*joins, *(a_hold(ticket_id) for ticket_id in ids)])
    assert queries.asked == 0
    cancels = [CancelOrder(hold.ticket_id, hold.order_id) for hold in holds]
    await market.ask_host(market.tickets, cancels)
    assert queries.asked == 1
    assert {(await offered_order(market, ticket_id)).buyer_id for ticket_id in ids} == {line[0]}


async def test_a_waiter_who_joins_in_the_releasing_turn_gets_the_offer(market: LocalMarket, line: list[str]) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    together = [JoinWaitingList(ticket_id, line[0]), CancelOrder(ticket_id, hold.order_id)]
    await market.ask_host(market.tickets, together)
    assert (await offered_order(market, ticket_id)).buyer_id == line[0]


async def test_an_offer_survives_the_death_of_its_host_and_can_be_accepted(
    market: LocalMarket, line: list[str]
) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await waiting(market, ticket_id, *line)
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    await market.tickets.kill()
    market.tickets = market.start_tickets()
    offer = await offered_order(market, ticket_id)
    accepted = expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id, buyer_id=line[0])))
    assert accepted.order is not None
    assert (accepted.order.id, accepted.order.offer) == (offer.id, False)
    (commit,) = await market.connections.journal.commits_with_keys({f"ticket:{ticket_id}:{accepted.ticket.version}"})
    assert [type(record.event) for record in commit.records] == [OfferAccepted]


async def test_offers_count_neither_as_holds_nor_as_unpaid_ones(market: LocalMarket, line: list[str]) -> None:
    ids = await listed(market, MOST_OF_A_TICKET + 2)
    expect(TicketAnswer, await market.ask_ticket(a_hold(ids[-1], buyer_id=line[0], max_holds=2)))
    for ticket_id in ids[:-2]:
        hold = await held(market, ticket_id)
        await waiting(market, ticket_id, line[0])
        await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
        await offered_order(market, ticket_id)
    expect(TicketAnswer, await market.ask_ticket(a_hold(ids[-2], buyer_id=line[0], max_holds=2)))


async def test_all_lines_of_somebody_are_found_until_they_leave_or_the_line_ends(
    market: LocalMarket, line: list[str]
) -> None:
    tickets = market.connections.database["tickets"]
    left, closed, kept = await listed(market, 3)
    for ticket_id in (left, closed, kept):
        await held(market, ticket_id)
        await waiting(market, ticket_id, *line)
    assert await tickets.count_documents({"by_waiter": line[0]}) == 3
    await market.ask_ticket(LeaveWaitingList(left, line[0]))
    seller = (await as_it_is(market, closed)).seller_id
    await market.ask_ticket(CloseWaitingList(closed, seller))
    found = await tickets.find({"by_waiter": line[0]}).to_list()
    assert [ticket["_id"] for ticket in found] == [kept]


async def test_a_waiter_who_buys_a_ticket_for_sale_leaves_the_line(market: LocalMarket, line: list[str]) -> None:
    tickets = market.connections.database["tickets"]
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    expect(TicketAnswer, await market.ask_ticket(JoinWaitingList(ticket_id, line[0], 1)))
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    bought = expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id, buyer_id=line[0])))
    assert bought.order is not None
    assert await tickets.count_documents({"by_waiter": line[0]}) == 0


async def test_a_ticket_that_fits_nobody_in_line_is_for_sale(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await waiting(market, ticket_id, new_id())
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    assert (await as_it_is(market, ticket_id)).status is TicketStatus.AVAILABLE
