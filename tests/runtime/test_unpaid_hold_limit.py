"""Who holds again and again without paying is refused, whichever host is asked and whatever it was before."""

from dataclasses import replace

import pytest

from actors.domain.refusals import HeldTooOften, Refusal, TooManyHolds, TooManyUnpaidHolds
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Release, Reserve, Sell, StartPayment
from actors.domain.ticket_values import TicketStatus
from actors.domain.unpaid_holds import HOUR_MS, MOST_OF_A_BUYER, MOST_OF_A_TICKET
from tests.support.eventually import eventually
from tests.support.examples import CHARGE, DETAILS, WINDOW, new_id
from tests.support.local_market import LocalMarket, RunningHost
from tests.support.trading import a_hold, as_it_is, asked, expect, listed

LIMIT = 10


@pytest.fixture
def buyer() -> str:
    return new_id()


async def held_and_let_go(market: LocalMarket, ticket_id: str, buyer: str) -> None:
    hold = a_hold(ticket_id, buyer_id=buyer)
    expect(TicketAnswer, await market.ask_ticket(hold))
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))


async def restarted(market: LocalMarket) -> None:
    await market.tickets.kill()
    market.tickets = market.start_tickets()


async def with_unpaid_holds(market: LocalMarket, buyer: str, count: int) -> None:
    for ticket_id in await listed(market, -(-count // MOST_OF_A_TICKET)):
        for _ in range(min(count, MOST_OF_A_TICKET)):
            await held_and_let_go(market, ticket_id, buyer)
        count -= MOST_OF_A_TICKET


# One ticket


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_the_fourth_hold_of_a_ticket_is_refused_also_by_a_new_host(
    market: LocalMarket, buyer: str, *, is_restarted: bool
) -> None:
    (ticket_id,) = await listed(market)
    for _ in range(MOST_OF_A_TICKET):
        await held_and_let_go(market, ticket_id, buyer)
    if is_restarted:
        await restarted(market)
    refusal = await market.ask_ticket(a_hold(ticket_id, buyer_id=buyer))
    assert isinstance(refusal, HeldTooOften)
    assert 0 < refusal.retry_after_seconds <= HOUR_MS // 1_000
    expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id)))


async def test_a_buyer_refused_for_one_ticket_may_hold_another(market: LocalMarket, buyer: str) -> None:
    ticket_id, another = await listed(market, 2)
    for _ in range(MOST_OF_A_TICKET):
        await held_and_let_go(market, ticket_id, buyer)
    expect(TicketAnswer, await market.ask_ticket(a_hold(another, buyer_id=buyer)))


async def test_holds_and_cancellations_in_one_turn_count(market: LocalMarket, buyer: str) -> None:
    (ticket_id,) = await listed(market)
    commands: list[Reserve | CancelOrder] = []
    for _ in range(MOST_OF_A_TICKET + 1):
        hold = a_hold(ticket_id, buyer_id=buyer)
        commands += [hold, CancelOrder(ticket_id, hold.order_id)]
    answers = await market.ask_host(market.tickets, commands)
    assert [isinstance(answer, Refusal) for answer in answers] == [False] * 2 * MOST_OF_A_TICKET + [True] * 2
    assert answers[-2] == HeldTooOften()


# All tickets of one buyer


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_after_thirty_unpaid_holds_of_ten_tickets_another_is_refused_also_by_a_new_host(
    market: LocalMarket, buyer: str, *, is_restarted: bool
) -> None:
    await with_unpaid_holds(market, buyer, MOST_OF_A_BUYER - 1)
    last, another = await listed(market, 2)
    await held_and_let_go(market, last, buyer)
    if is_restarted:
        await restarted(market)
    refusal = await market.ask_ticket(a_hold(another, buyer_id=buyer))
    assert isinstance(refusal, TooManyUnpaidHolds)
    assert 0 < refusal.retry_after_seconds <= HOUR_MS // 1_000
    expect(TicketAnswer, await market.ask_ticket(replace(a_hold(another, buyer_id=buyer), is_limited=False)))
    expect(TicketAnswer, await market.ask_ticket(a_hold(last)))


async def test_holds_that_expired_or_were_declined_count_and_paid_ones_do_not(market: LocalMarket, buyer: str) -> None:
    await with_unpaid_holds(market, buyer, MOST_OF_A_BUYER - 2)
    paid, declined, expired, another = [
        a_hold(ticket_id, buyer_id=buyer, window=window)
        for ticket_id, window in zip(await listed(market, 4), (WINDOW, WINDOW, 1, WINDOW), strict=True)
    ]
    for command in (
        paid,
        Sell(paid.ticket_id, paid.order_id, CHARGE, DETAILS.price, attempt=1),
        declined,
        StartPayment(declined.ticket_id, declined.order_id, grace=0),
        Release(declined.ticket_id, declined.order_id, attempt=1, max_attempts=1),
    ):
        expect(TicketAnswer, await market.ask_ticket(command))
    order = expect(TicketAnswer, await market.ask_ticket(expired)).order
    assert order is not None
    await eventually(lambda: market.connections.clock.now() >= order.expires_at)
    assert (await as_it_is(market, expired.ticket_id)).status is TicketStatus.AVAILABLE
    assert await market.ask_ticket(another) == TooManyUnpaidHolds()


async def test_a_hold_that_lost_its_commit_does_not_count_as_unpaid(market: LocalMarket, buyer: str) -> None:
    """A hold and its cancellation that were decided on stale memory came never to be."""
    await with_unpaid_holds(market, buyer, MOST_OF_A_BUYER - 1)
    contested, free = await listed(market, 2)
    elsewhere = market.start_tickets()
    expect(TicketAnswer, await asked(market, elsewhere, a_hold(contested)))
    hold = a_hold(contested, buyer_id=buyer)
    await market.ask_host(market.tickets, [hold, CancelOrder(contested, hold.order_id)])
    assert market.tickets.host.counters.fenced == 1
    expect(TicketAnswer, await market.ask_ticket(a_hold(free, buyer_id=buyer)))


# Several hosts


async def ten_holds(market: LocalMarket, host: RunningHost, buyer: str) -> list[Reserve]:
    holds = [a_hold(ticket_id, buyer_id=buyer, max_holds=LIMIT) for ticket_id in await listed(market, LIMIT)]
    for answer in await market.ask_host(host, holds):
        expect(TicketAnswer, answer)
    return holds


async def test_holds_that_were_paid_at_one_host_are_no_reason_for_another_to_refuse(
    market: LocalMarket, buyer: str
) -> None:
    another = market.start_tickets()
    holds = await ten_holds(market, market.tickets, buyer)
    (ticket_id,) = await listed(market)
    wanted = a_hold(ticket_id, buyer_id=buyer, max_holds=LIMIT)
    assert await asked(market, another, wanted) == TooManyHolds(LIMIT)
    sales = [Sell(hold.ticket_id, hold.order_id, CHARGE, DETAILS.price, attempt=1) for hold in holds]
    for answer in await market.ask_host(market.tickets, sales):
        expect(TicketAnswer, answer)
    expect(TicketAnswer, await asked(market, another, wanted))


async def test_holds_that_stand_at_one_host_are_a_reason_for_another_to_refuse(market: LocalMarket, buyer: str) -> None:
    another = market.start_tickets()
    first, *_ = await ten_holds(market, market.tickets, buyer)
    tickets = await listed(market, 2)
    wanted = [a_hold(ticket_id, buyer_id=buyer, max_holds=LIMIT) for ticket_id in tickets]
    for _ in range(2):
        assert await asked(market, another, wanted[0]) == TooManyHolds(LIMIT)
    expect(TicketAnswer, await market.ask_ticket(CancelOrder(first.ticket_id, first.order_id)))
    assert [type(answer) for answer in await market.ask_host(another, wanted)] == [TicketAnswer, TooManyHolds]


async def test_holds_released_at_one_host_count_as_unpaid_at_another(market: LocalMarket, buyer: str) -> None:
    another = market.start_tickets()
    holds = await ten_holds(market, market.tickets, buyer)
    tickets = await listed(market, 2)
    wanted = [a_hold(ticket_id, buyer_id=buyer, max_holds=LIMIT) for ticket_id in tickets]
    assert await asked(market, another, wanted[0]) == TooManyHolds(LIMIT)
    await market.ask_host(market.tickets, [CancelOrder(hold.ticket_id, hold.order_id) for hold in holds])
    expect(TicketAnswer, await asked(market, another, wanted[0]))
    await with_unpaid_holds(market, buyer, MOST_OF_A_BUYER - LIMIT)
    assert await asked(market, market.tickets, wanted[1]) == TooManyUnpaidHolds()


async def test_reservations_of_many_buyers_at_their_limit_cost_one_query(market: LocalMarket) -> None:
    buyers = [new_id() for _ in range(5)]
    for buyer in buyers:
        await ten_holds(market, market.tickets, buyer)
    asked_for: list[int] = []
    orders = market.connections.queries.orders

    async def counted(ids: list[str]) -> object:
        asked_for.append(len(ids))
        return await orders(ids)

    market.connections.queries.orders = counted  # type: ignore[method-assign, assignment]
    (ticket_id,) = await listed(market)
    answers = await market.ask_host(
        market.tickets, [a_hold(ticket_id, buyer_id=buyer, max_holds=LIMIT) for buyer in buyers]
    )
    assert answers == [TooManyHolds(LIMIT)] * len(buyers)
    assert asked_for == [LIMIT * len(buyers)]
