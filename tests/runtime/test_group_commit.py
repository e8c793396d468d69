"""Many messages, one commit; and what their callers hear while the journal is slow, silent or away."""

import asyncio

from actors.domain.instants import Instant
from actors.domain.refusals import NotFound, Overloaded, Unavailable
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import CancelOrder, ReadTicket, Reserve, TicketCommand
from actors.domain.ticket_values import TicketStatus
from actors.runtime.entity import EntityDecision
from actors.runtime.host import Host, Limits
from actors.tickets.entity import TicketEntity
from tests.support.broken_journals import Away, GatedJournal, LosesAnswers, TakesItsOwnForAnothers
from tests.support.eventually import eventually
from tests.support.journal_checks import orders
from tests.support.local_market import PATIENCE, LocalMarket, RunningHost
from tests.support.trading import a_hold, a_ticket, as_it_is, asked, expect, held, listed


async def status_of(market: LocalMarket, ticket_id: str) -> TicketStatus:
    return (await as_it_is(market, ticket_id)).status


async def test_a_thousand_messages_at_once_travel_in_few_commits_and_are_answered_in_order(market: LocalMarket) -> None:
    commands = [a_ticket() for _ in range(1_000)]
    answers = await market.ask_host(market.tickets, commands)
    assert [expect(TicketAnswer, answer).ticket.id for answer in answers] == [one.ticket_id for one in commands]
    assert market.tickets.host.counters.commits <= 4
    assert await market.connections.database["journal"].count_documents({}) == market.tickets.host.counters.commits


async def test_messages_to_one_ticket_in_one_turn_are_decided_one_after_the_other(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    first = a_hold(ticket_id)
    commands = [first, a_hold(ticket_id), CancelOrder(ticket_id, first.order_id), a_hold(ticket_id)]
    answers = await market.ask_host(market.tickets, commands)
    assert [type(answer).__name__ for answer in answers] == ["TicketAnswer", "AlreadyReserved", *["TicketAnswer"] * 2]


# Exceptions


class Stumbles(TicketEntity):
    """Has a bug that shows for one buyer."""

    buyer_id = "0" * 24

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        if isinstance(command, Reserve) and command.buyer_id == self.buyer_id:
            raise ZeroDivisionError
        return super().decide(ticket, command, now)


async def test_an_exception_fails_its_own_message_only(market: LocalMarket) -> None:
    market.tickets = market._start(Stumbles(market.connections.queries), "tickets-0")
    before, broken, after = await listed(market, 3)
    commands = [a_hold(before), a_hold(broken, buyer_id=Stumbles.buyer_id), a_hold(after)]
    answers = await market.ask_host(market.tickets, commands)
    assert [type(answer).__name__ for answer in answers] == ["TicketAnswer", "Unavailable", "TicketAnswer"]
    assert await status_of(market, broken) is TicketStatus.AVAILABLE
    assert expect(TicketAnswer, await market.ask_ticket(a_hold(broken))).fresh


# The journal is slow


async def test_a_reply_leaves_only_after_its_commit_is_in_the_journal(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    journal = market.connections.journal = GatedJournal(market.connections.database)
    host = market.start_tickets()
    reply = asyncio.create_task(asked(market, host, a_hold(ticket_id)))
    await eventually(lambda: journal.waiting == 1)
    # Everything that could run has run; only the gate is between the decision and its reply.
    await asyncio.wait([reply], timeout=0.1)
    assert not reply.done()
    assert host.host.is_busy, "who ends an idle actor would lose it"
    assert await market.connections.database["orders"].count_documents({}) == 0
    journal.gate.set()
    assert expect(TicketAnswer, await reply).fresh
    await eventually(lambda: not host.host.is_busy)


async def test_messages_that_arrive_while_a_commit_is_written_go_into_the_next_one(market: LocalMarket) -> None:
    journal = market.connections.journal = GatedJournal(market.connections.database)
    host = market.start_tickets()
    replies = [asyncio.create_task(asked(market, host, a_ticket()))]
    await eventually(lambda: journal.waiting == 1)
    replies += [asyncio.create_task(asked(market, host, a_ticket())) for _ in range(50)]
    await eventually(lambda: host.host.counters.messages == 51)
    journal.gate.set()
    await asyncio.gather(*replies)
    assert host.host.counters.commits == 2


# The journal is silent


async def test_a_commit_whose_answer_was_lost_is_appended_once_under_the_same_id(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    journal = market.connections.journal = LosesAnswers(market.connections.database, times=3)
    host = market.start_tickets()
    assert expect(TicketAnswer, await asked(market, host, a_hold(ticket_id))).fresh
    assert [(commit.writer, commit.seq) for commit in journal.tried] == [(host.host.writer, 1)] * 4
    own = {"_id": {"$regex": f"^{host.host.writer}:"}}
    assert await market.connections.database["journal"].count_documents(own) == 1


async def test_a_commit_acknowledged_after_a_lost_answer_is_in_the_journal(market: LocalMarket) -> None:
    market.connections.journal = LosesAnswers(market.connections.database, times=1)
    market.tickets = market.start_tickets()
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    assert hold.order_id in await orders(market.connections.database)
    assert [commit.seq for commit in await market.connections.journal.after(market.tickets.host.writer, 0, 9)] == [1, 2]


async def test_a_journal_that_does_not_recognise_its_own_commit_loses_the_next_and_the_check_finds_it(
    market: LocalMarket,
) -> None:
    market.connections.journal = TakesItsOwnForAnothers(market.connections.database, times=1)
    market.tickets = market.start_tickets()
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    assert hold.order_id not in await orders(market.connections.database)


# The journal is away


async def away(market: LocalMarket) -> tuple[Away, RunningHost, str, asyncio.Task[object]]:
    """A host that knows an available ticket, and a reservation of it that cannot be committed."""
    journal = market.connections.journal = Away(market.connections.database)
    host = market.tickets = market.start_tickets()
    (ticket_id,) = await listed(market)
    journal.away, journal.tries = True, 0
    reply = asyncio.create_task(asked(market, host, a_hold(ticket_id)))
    await eventually(lambda: journal.tries > 0)
    return journal, host, ticket_id, reply


async def test_while_the_database_is_away_nothing_changes_in_memory_and_new_messages_hear_so(
    market: LocalMarket,
) -> None:
    journal, host, ticket_id, reply = await away(market)
    assert await asked(market, host, ReadTicket(ticket_id)) == Unavailable()
    cached = host.host._cache.get(ticket_id)
    assert cached is not None
    assert cached.status is TicketStatus.AVAILABLE
    assert not reply.done()
    journal.away = False
    await reply


async def test_service_resumes_by_itself_when_the_database_is_back(market: LocalMarket) -> None:
    journal, host, ticket_id, reply = await away(market)
    await eventually(lambda: journal.tries > 2)
    journal.away = False
    assert expect(TicketAnswer, await reply).fresh
    assert await status_of(market, ticket_id) is TicketStatus.RESERVED
    assert host.host.counters.commits == 2


async def test_a_refusal_that_cannot_be_checked_does_not_get_out(market: LocalMarket) -> None:
    journal = market.connections.journal = Away(market.connections.database)
    host = market.tickets = market.start_tickets()
    (ticket_id,) = await listed(market)
    await held(market, ticket_id)
    journal.away = True
    assert await asked(market, host, a_hold(ticket_id)) == Unavailable()


async def test_a_ticket_that_cannot_be_loaded_is_not_said_to_be_unknown(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    journal = market.connections.journal = Away(market.connections.database)
    host = market.start_tickets()
    journal.away = True
    assert await asked(market, host, ReadTicket(ticket_id)) == Unavailable()
    journal.away = False
    assert isinstance(await asked(market, host, ReadTicket(ticket_id)), TicketAnswer)
    assert await asked(market, host, ReadTicket("0" * 24)) == NotFound()


# Bounds


async def test_a_message_past_its_deadline_is_dropped_before_its_decision(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    journal = market.connections.journal = GatedJournal(market.connections.database)
    host, clock = market.start_tickets(), market.connections.clock
    blocking = asyncio.create_task(asked(market, host, a_ticket()))
    await eventually(lambda: journal.waiting == 1)
    deadline = clock.now() + 50
    late = asyncio.create_task(host.host.deliver([a_hold(ticket_id)], deadline))
    await eventually(lambda: clock.now() > deadline)
    journal.gate.set()
    assert await late == [Unavailable()]
    assert isinstance(await blocking, TicketAnswer)
    assert await status_of(market, ticket_id) is TicketStatus.AVAILABLE


async def test_a_full_mailbox_says_so_at_once_and_keeps_what_it_has(market: LocalMarket) -> None:
    own, (ticket_id, *others) = market.connections, await listed(market, 4)
    commit_relay = own.commit_relay(writer="tickets-0-small", host="tickets-0")
    host: Host[Ticket, TicketCommand] = Host(
        TicketEntity(own.queries),
        own.journal,
        own.clock,
        commit_relay,
        writer="tickets-0-small",
        limits=Limits(mailbox=3),
    )
    deadline = own.clock.now() + PATIENCE
    waiting = asyncio.create_task(host.deliver([a_hold(other) for other in others], deadline))
    await eventually(lambda: host.counters.deliveries == 1)
    assert await host.deliver([a_hold(ticket_id)], deadline) == [Overloaded()]
    running = asyncio.create_task(host.run())
    assert [type(answer) for answer in await waiting] == [TicketAnswer] * 3
    running.cancel()
