"""The journal is the judge: whatever a host remembers, what it commits and what it answers is true."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest

from actors.domain.refusals import AlreadyReserved, RequestMismatch
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import ActivateTicket, CancelOrder, EditTicket, ReadTicket
from actors.domain.ticket_events import TicketEvent
from actors.domain.ticket_values import OrderStatus, TicketStatus
from actors.storage.journal import MongoJournal
from actors.tickets.entity import TicketEntity
from tests.support.examples import DETAILS, new_id
from tests.support.journal_checks import created_twice, held_twice, with_gaps
from tests.support.local_market import LocalMarket, RunningHost
from tests.support.trading import a_hold, a_ticket, as_it_is, asked, expect, held, listed


class BlindJournal(MongoJournal):
    """The fence of answers that write nothing is off."""

    async def existing_keys(self, keys: Collection[str]) -> set[str]:  # noqa: ARG002 - it never looks
        return set()


class OrdersWithoutClaim(TicketEntity):
    """The fence against orders that come into being twice is off."""

    def unique_keys(self, event: TicketEvent) -> tuple[str, ...]:  # noqa: ARG002 - it claims nothing
        return ()


class TicketsWithoutAlarm(TicketEntity):
    """Its timers are as late as those of a host that hangs."""

    def timer(self, ticket: Ticket) -> None:  # noqa: ARG002 - it is never woken
        return None


async def two_hosts_that_know(market: LocalMarket, ticket_id: str) -> tuple[RunningHost, RunningHost]:
    hosts = market.tickets, market.start_tickets()
    for host in hosts:
        expect(TicketAnswer, await asked(market, host, ActivateTicket(ticket_id)))
    return hosts


async def reserve_at_both(market: LocalMarket, ticket_id: str) -> list[object]:
    one, other = await two_hosts_that_know(market, ticket_id)
    return list(await asyncio.gather(asked(market, one, a_hold(ticket_id)), asked(market, other, a_hold(ticket_id))))


async def test_only_one_of_two_hosts_can_reserve_a_ticket(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    answers = await reserve_at_both(market, ticket_id)
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyReserved", "TicketAnswer"]
    assert not await held_twice(market.connections.database)
    assert not await with_gaps(market.connections.database)


async def test_without_the_unique_index_both_hosts_reserve_a_ticket_and_the_check_finds_it(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    await market.connections.database["journal"].drop_index("keys_1")
    answers = await reserve_at_both(market, ticket_id)
    assert [type(answer) for answer in answers] == [TicketAnswer, TicketAnswer]
    assert await held_twice(market.connections.database) == {ticket_id}
    assert await with_gaps(market.connections.database) == {f"ticket:{ticket_id}"}


async def test_two_hosts_under_a_storm_never_hold_a_ticket_twice(market: LocalMarket) -> None:
    tickets = await listed(market, 20)
    hosts = market.tickets, market.start_tickets(), market.start_tickets()
    storm = [asked(market, host, a_hold(ticket_id)) for ticket_id in tickets for host in hosts for _ in range(3)]
    answers = await asyncio.gather(*storm)
    assert sum(isinstance(answer, TicketAnswer) for answer in answers) == len(tickets)
    assert sum(isinstance(answer, AlreadyReserved) for answer in answers) == len(storm) - len(tickets)
    assert not await held_twice(market.connections.database)
    assert not await with_gaps(market.connections.database)


# Answers that write nothing


async def reserve_after_a_cancellation_elsewhere(market: LocalMarket) -> object:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    elsewhere = market.start_tickets()
    expect(TicketAnswer, await asked(market, elsewhere, CancelOrder(ticket_id, hold.order_id)))
    return await market.ask_ticket(a_hold(ticket_id))


async def test_a_refusal_from_a_stale_cache_is_not_answered(market: LocalMarket) -> None:
    assert expect(TicketAnswer, await reserve_after_a_cancellation_elsewhere(market)).fresh


async def test_without_the_fence_of_refusals_one_from_a_stale_cache_is_answered(market: LocalMarket) -> None:
    market.connections.journal = BlindJournal(market.connections.database)
    market.tickets = market.start_tickets()
    assert isinstance(await reserve_after_a_cancellation_elsewhere(market), AlreadyReserved)


async def test_a_repeat_from_a_stale_cache_is_not_answered(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    elsewhere = market.start_tickets()
    expect(TicketAnswer, await asked(market, elsewhere, CancelOrder(ticket_id, hold.order_id)))
    again = expect(TicketAnswer, await market.ask_ticket(hold))
    assert (again.ticket.status, again.fresh) == (TicketStatus.AVAILABLE, False)


@pytest.mark.parametrize("fence_reads", [True, False])
async def test_a_read_is_fenced_where_tickets_may_live_elsewhere(market: LocalMarket, *, fence_reads: bool) -> None:
    (ticket_id,) = await listed(market)
    host = market.start_tickets(fence_reads=fence_reads)
    await asked(market, host, ActivateTicket(ticket_id))
    await held(market, ticket_id)
    ticket = expect(TicketAnswer, await asked(market, host, ReadTicket(ticket_id))).ticket
    assert ticket.status is (TicketStatus.RESERVED if fence_reads else TicketStatus.AVAILABLE)


# Orders that arrive again


async def test_a_redelivered_reservation_answers_the_cancelled_order(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    for host in (market.tickets, market.start_tickets()):
        again = expect(TicketAnswer, await asked(market, host, hold))
        assert again.order is not None
        assert (again.order.id, again.order.status) == (hold.order_id, OrderStatus.CANCELLED)
        assert (again.ticket.status, again.fresh) == (TicketStatus.AVAILABLE, False)
    assert not await created_twice(market.connections.database)


async def test_a_redelivered_reservation_is_not_refused_when_somebody_else_holds_the_ticket_by_now(
    market: LocalMarket,
) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    await held(market, ticket_id)
    for host in (market.tickets, market.start_tickets()):
        again = expect(TicketAnswer, await asked(market, host, hold, redelivered=True))
        assert again.order is not None
        assert (again.order.id, again.order.status) == (hold.order_id, OrderStatus.CANCELLED)
        assert (again.ticket.status, again.fresh) == (TicketStatus.RESERVED, False)


async def test_a_reservation_that_is_repeated_with_its_key_is_told_how_its_order_ended_though_no_document_says_so(
    market: LocalMarket,
) -> None:
    (ticket_id,) = await listed(market)
    hold = replace(a_hold(ticket_id), request="a digest of what the key came with")
    expect(TicketAnswer, await market.ask_ticket(hold))
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    await held(market, ticket_id)
    for host in (market.tickets, market.start_tickets()):
        # As after the death of the one that was to write it.
        await market.connections.database["orders"].delete_one({"_id": hold.order_id})
        again = expect(TicketAnswer, await asked(market, host, hold))
        assert again.order is not None
        assert (again.order.id, again.order.status) == (hold.order_id, OrderStatus.CANCELLED)
        assert (again.ticket.status, again.fresh) == (TicketStatus.RESERVED, False)
        (written,) = (await market.connections.queries.orders([hold.order_id])).values()
        assert written == again.order


async def test_a_first_reservation_with_a_key_is_refused_when_somebody_else_holds_the_ticket(
    market: LocalMarket,
) -> None:
    (ticket_id,) = await listed(market)
    await held(market, ticket_id)
    assert await market.ask_ticket(replace(a_hold(ticket_id), request="a digest")) == AlreadyReserved()


async def test_a_redelivered_reservation_for_another_ticket_is_refused(market: LocalMarket) -> None:
    first, second = await listed(market, 2)
    hold = await held(market, first)
    await market.ask_ticket(CancelOrder(first, hold.order_id))
    elsewhere = type(hold)(second, hold.order_id, hold.buyer_id, hold.window)
    assert await market.ask_ticket(elsewhere) == RequestMismatch()
    assert (await as_it_is(market, second)).status is TicketStatus.AVAILABLE


async def test_without_its_unique_key_an_order_is_revived_and_the_check_finds_it(market: LocalMarket) -> None:
    entity = OrdersWithoutClaim(market.connections.queries)
    market.tickets = market._start(entity, "tickets-0")
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    await market.ask_ticket(CancelOrder(ticket_id, hold.order_id))
    assert expect(TicketAnswer, await market.ask_ticket(hold)).fresh
    assert await created_twice(market.connections.database) == {hold.order_id}


async def test_a_redelivered_reservation_after_its_expiry_answers_the_expired_order(market: LocalMarket) -> None:
    market.tickets = market._start(TicketsWithoutAlarm(market.connections.queries), "tickets-0")
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=1)
    again = expect(TicketAnswer, await market.ask_ticket(hold))
    assert again.order is not None
    assert (again.ticket.status, again.order.status) == (TicketStatus.AVAILABLE, OrderStatus.CANCELLED)


# Edits that arrive again


async def an_edit(market: LocalMarket, price: int) -> EditTicket:
    """An edit that took effect on a new ticket."""
    created = a_ticket()
    expect(TicketAnswer, await market.ask_ticket(created))
    edit = EditTicket(created.ticket_id, created.seller_id, replace(DETAILS, price=price), edit_id=new_id())
    assert expect(TicketAnswer, await market.ask_ticket(edit)).fresh
    return edit


async def test_a_redelivered_edit_is_not_refused_when_the_ticket_is_held_by_now(market: LocalMarket) -> None:
    edit = await an_edit(market, 6_000)
    await held(market, edit.ticket_id)
    for host in (market.tickets, market.start_tickets()):
        again = expect(TicketAnswer, await asked(market, host, edit, redelivered=True))
        assert (again.ticket.status, again.ticket.details.price) == (TicketStatus.RESERVED, 6_000)
    refused = replace(edit, edit_id=new_id())
    assert await market.ask_ticket(refused) == AlreadyReserved()


async def test_a_redelivered_edit_does_not_undo_the_next_edit(market: LocalMarket) -> None:
    edit = await an_edit(market, 6_000)
    later = replace(edit, details=replace(DETAILS, price=7_000), edit_id=new_id())
    assert expect(TicketAnswer, await market.ask_ticket(later)).fresh
    for host in (market.tickets, market.start_tickets()):
        again = expect(TicketAnswer, await asked(market, host, edit))
        assert (again.ticket.details.price, again.fresh) == (7_000, False)


async def test_without_its_unique_key_a_redelivered_edit_undoes_the_next_edit(market: LocalMarket) -> None:
    market.tickets = market._start(OrdersWithoutClaim(market.connections.queries), "tickets-0")
    edit = await an_edit(market, 6_000)
    await market.ask_ticket(replace(edit, details=replace(DETAILS, price=7_000), edit_id=new_id()))
    again = expect(TicketAnswer, await market.ask_ticket(edit))
    assert (again.ticket.details.price, again.fresh) == (6_000, True)
