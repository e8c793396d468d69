"""A hold that is over ends: by its timer, by whoever comes next, or because the Supervisor woke it."""

import asyncio

import pytest

from actors.domain.instants import Instant
from actors.domain.refusals import OrderClosed
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import CancelOrder, Sell, StartPayment
from actors.domain.ticket_events import OrderExpired
from actors.domain.ticket_values import OrderStatus, TicketStatus
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.examples import CHARGE, DETAILS
from tests.support.journal_checks import records, sold_too_late
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, as_it_is, expect, held, listed

# Time enough on a busy machine for what has to happen before the end.
WINDOW = 800


class WithoutAlarm(TicketEntity):
    """Its timers are as late as those of a host that hangs."""

    def timer(self, ticket: Ticket) -> None:  # noqa: ARG002 - it is never woken
        return None


class WithoutDueHolds(WithoutAlarm):
    """The protection against late payments is off as well."""

    def expire_if_due(self, ticket: Ticket | None, now: Instant) -> tuple[()]:  # noqa: ARG002 - it does not look at the time
        return ()


async def expiries(market: LocalMarket) -> dict[str, Instant]:
    """How late each expired order's end came, in ms after its time. Asks nobody who could cause it."""
    found = await records(market.connections.database)
    expired = ((record.event.order, record.at) for record in found if isinstance(record.event, OrderExpired))
    return {order.id: at - order.expires_at for order, at in expired}


async def over(market: LocalMarket, end: Instant) -> None:
    """Waits for an instant of the market's clock."""
    await eventually(lambda: market.connections.clock.now() >= end)


async def end_of(market: LocalMarket, ticket_id: str) -> Instant:
    order = (await as_it_is(market, ticket_id)).order
    assert order is not None
    return order.expires_at


async def test_a_hold_expires_by_its_timer_and_the_ticket_is_for_sale_again(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=WINDOW)

    async def has_expired() -> bool:
        return hold.order_id in await expiries(market)

    await eventually(has_expired)
    assert (await as_it_is(market, ticket_id)).status is TicketStatus.AVAILABLE
    assert expect(TicketAnswer, await market.ask_ticket(a_hold(ticket_id))).fresh


async def test_a_released_hold_leaves_no_expiry_timer(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    for _ in range(150):
        hold = await held(market, ticket_id)
        expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))
    assert len(market.tickets.host.timers) < 100
    assert market.tickets.host.timers.next_at() is None


async def test_the_order_document_of_an_expired_hold_says_expired(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=WINDOW)

    async def is_cancelled() -> bool:
        order = (await market.connections.queries.orders([hold.order_id]))[hold.order_id]
        return order.status is OrderStatus.CANCELLED

    await eventually(is_cancelled)
    assert not await market.connections.queries.orders_due(0, 2**60, 10)


@pytest.mark.parametrize("recovered", [True, False])
async def test_a_hold_whose_host_was_killed_expires_once_recovery_activates_it(
    market: LocalMarket, *, recovered: bool
) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=WINDOW)
    end = await end_of(market, ticket_id)
    await market.tickets.kill()
    market.tickets = market.start_tickets()
    if recovered:
        await market.recovery().round(market.live, set())
    # Without the Supervisor nobody knows of the hold, and the check sees that.
    await over(market, end + WINDOW)
    assert (hold.order_id in await expiries(market)) is recovered


async def test_a_hold_that_expired_while_no_host_ran_ends_when_it_is_activated(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=WINDOW)
    end = await end_of(market, ticket_id)
    await market.tickets.kill()
    await over(market, end)
    market.tickets = market.start_tickets()
    await market.recovery().round(market.live, set())
    assert hold.order_id in await expiries(market)


# Late payments


async def a_payment_after_the_end(market: LocalMarket, entity: TicketEntity) -> object:
    market.tickets = market._start(entity, "tickets-0")
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=WINDOW)
    await market.ask_ticket(StartPayment(ticket_id, hold.order_id, grace=0))
    await over(market, await end_of(market, ticket_id))
    return await market.ask_ticket(Sell(ticket_id, hold.order_id, CHARGE, DETAILS.price, 1))


async def test_a_late_expiry_timer_never_lets_a_late_payment_win(market: LocalMarket) -> None:
    answer = await a_payment_after_the_end(market, WithoutAlarm(market.connections.queries))
    assert answer == OrderClosed()
    assert len(await expiries(market)) == 1
    assert not await sold_too_late(market.connections.database)


async def test_a_host_without_the_expiry_check_sells_too_late_and_the_check_finds_it(
    market: LocalMarket,
) -> None:
    answer = await a_payment_after_the_end(market, WithoutDueHolds(market.connections.queries))
    assert isinstance(answer, TicketAnswer)
    assert len(await sold_too_late(market.connections.database)) == 1


async def test_an_extended_hold_does_not_expire_by_its_first_timer(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=WINDOW)
    first_end = await end_of(market, ticket_id)
    await market.ask_ticket(StartPayment(ticket_id, hold.order_id, grace=4 * WINDOW))
    assert await end_of(market, ticket_id) > first_end + 2 * WINDOW
    await over(market, first_end + WINDOW)
    assert not await expiries(market)

    async def has_expired() -> bool:
        return hold.order_id in await expiries(market)

    await eventually(has_expired)


# Many


@pytest.mark.slow
async def test_a_thousand_holds_that_expire_in_one_second_are_released_within_three(market: LocalMarket) -> None:
    tickets = await listed(market, 1_000)
    answers = await market.ask_host(market.tickets, [a_hold(ticket_id, window=4_000) for ticket_id in tickets])
    ends = [answer.order.expires_at for answer in answers]
    assert max(ends) - min(ends) < 4_000

    async def all_have_expired() -> bool:
        await asyncio.sleep(0.2)
        return len(await expiries(market)) == len(tickets)

    await eventually(all_have_expired, seconds=30)
    assert max((await expiries(market)).values()) < 3_000
