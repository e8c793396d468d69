"""One key, one thing: also when everything that wants the key is decided in one turn, which is one commit."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.domain.answers import PaymentAnswer
from actors.domain.charge_commands import OpenCharge
from actors.domain.charge_values import Charge, ChargeStatus
from actors.domain.instants import Instant
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import RequestMismatch, TooManyHolds, Unavailable
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import CancelOrder, EditTicket, ReadTicket, Reserve, TicketCommand
from actors.domain.ticket_events import TicketEvent
from actors.domain.ticket_values import TicketStatus
from actors.payments.participants import Outcome
from actors.runtime.entity import EntityDecision
from actors.runtime.ports import Commit
from actors.runtime.turn import Decider
from actors.tickets.entity import TicketEntity
from tests.support.broken_journals import GatedJournal
from tests.support.buying import VISA, WANTS_ACTION, an_order
from tests.support.eventually import eventually
from tests.support.examples import DETAILS, WINDOW, new_id
from tests.support.journal_checks import created_twice
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, as_it_is, asked, expect, held, listed

AT_ONCE = 25
LIMIT = 10


def holds(tickets: Sequence[str], order_id: str, buyer: str) -> list[Reserve]:
    """One key of one buyer for all these tickets, as `Idempotency-Key` makes it."""
    return [Reserve(one, order_id, buyer, WINDOW, max_holds=LIMIT, request=f"for {one}") for one in tickets]


async def how_they_are(market: LocalMarket, tickets: Sequence[str]) -> Counter[TicketStatus]:
    return Counter([(await as_it_is(market, ticket_id)).status for ticket_id in tickets])


async def keys_twice(market: LocalMarket) -> set[str]:
    """Keys that the journal has more than once."""
    commits = await market.connections.database["journal"].find({}, {"keys": 1}).to_list()
    counted = Counter(key for commit in commits for key in commit["keys"])
    return {key for key, times in counted.items() if times > 1}


async def test_one_order_id_for_many_tickets_in_one_turn_holds_one_of_them(market: LocalMarket) -> None:
    tickets = await listed(market, AT_ONCE)
    answers = await market.ask_host(market.tickets, holds(tickets, new_id(), new_id()))
    assert [type(answer) for answer in answers] == [TicketAnswer] + [RequestMismatch] * (AT_ONCE - 1)
    assert await how_they_are(market, tickets) == {TicketStatus.RESERVED: 1, TicketStatus.AVAILABLE: AT_ONCE - 1}
    assert await keys_twice(market) == set()


async def test_without_comparing_keys_one_order_id_holds_all_tickets_and_the_check_finds_it(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decider, "_has_any", lambda _decider, _turn, _keys: False)
    monkeypatch.setattr(Commit, "check_keys", lambda _commit: None)
    tickets = await listed(market, AT_ONCE)
    order_id = new_id()
    await market.ask_host(market.tickets, holds(tickets, order_id, new_id()))
    assert await how_they_are(market, tickets) == {TicketStatus.RESERVED: AT_ONCE}
    assert await created_twice(market.connections.database) == {order_id}


async def test_a_ticket_that_a_shared_order_id_did_not_hold_counts_as_no_hold(market: LocalMarket) -> None:
    tickets = await listed(market, AT_ONCE + LIMIT)
    buyer = new_id()
    await market.ask_host(market.tickets, holds(tickets[:AT_ONCE], new_id(), buyer))
    more = [holds([one], new_id(), buyer)[0] for one in tickets[AT_ONCE:]]
    answers = await market.ask_host(market.tickets, more)
    assert [type(answer) for answer in answers] == [TicketAnswer] * (LIMIT - 1) + [TooManyHolds]


async def test_an_order_id_repeated_after_its_end_in_one_turn_does_not_revive_its_order(
    market: LocalMarket,
) -> None:
    (ticket_id,) = await listed(market)
    hold = a_hold(ticket_id)
    answers = await market.ask_host(market.tickets, [hold, CancelOrder(ticket_id, hold.order_id), hold])
    assert expect(TicketAnswer, answers[2]).ticket.status is TicketStatus.AVAILABLE
    assert await created_twice(market.connections.database) == set()


async def test_one_edit_id_changes_one_of_many_tickets(market: LocalMarket) -> None:
    created = [a_ticket() for _ in range(3)]
    await market.ask_host(market.tickets, created)
    edit_id, dearer = new_id(), replace(DETAILS, price=6_000)
    edits = [EditTicket(one.ticket_id, one.seller_id, dearer, edit_id) for one in created]
    answers = await market.ask_host(market.tickets, edits)
    assert [type(answer) for answer in answers] == [TicketAnswer, RequestMismatch, RequestMismatch]
    prices = [(await as_it_is(market, one.ticket_id)).details.price for one in created]
    assert prices == [6_000, 5_000, 5_000]


async def test_a_repeated_edit_in_one_turn_does_not_undo_the_next_edit(market: LocalMarket) -> None:
    created = a_ticket()
    expect(TicketAnswer, await market.ask_ticket(created))
    first = EditTicket(created.ticket_id, created.seller_id, replace(DETAILS, price=6_000), new_id())
    later = replace(first, details=replace(DETAILS, price=7_000), edit_id=new_id())
    answers = await market.ask_host(market.tickets, [first, later, first])
    assert [expect(TicketAnswer, answer).fresh for answer in answers] == [True, True, False]
    assert (await as_it_is(market, created.ticket_id)).details.price == 7_000


async def test_one_request_opens_one_of_two_charges_in_one_turn(market: LocalMarket) -> None:
    now = market.connections.clock.now()
    charges = [
        Charge(new_id(), new_id(), new_id(), new_id(), 1, 5_000, "usd", VISA, ChargeStatus.CREATED, now, now,
               request="a request")
        for _ in range(3)
    ]  # fmt: skip
    answers = await market.ask_host(market.charges, [OpenCharge(charge) for charge in charges])
    assert [type(answer) for answer in answers] == [Charge, RequestMismatch, RequestMismatch]
    assert await keys_twice(market) == set()


async def test_one_request_pays_one_of_two_orders_at_once(market: LocalMarket) -> None:
    orders = [await an_order(market) for _ in range(2)]
    payments = [market.pay(Pay(order.id, VISA, request="a request")) for order in orders]
    answers: list[Outcome] = list(await asyncio.gather(*payments))
    assert sorted(type(answer).__name__ for answer in answers) == ["PaymentAnswer", "RequestMismatch"]
    (paid,) = (answer for answer in answers if isinstance(answer, PaymentAnswer))
    assert paid.charge.status is ChargeStatus.COMPLETED


async def test_one_request_of_a_second_card_pays_no_other_order(market: LocalMarket) -> None:
    one, other = [await an_order(market) for _ in range(2)]
    assert expect(PaymentAnswer, await market.pay(Pay(one.id, WANTS_ACTION, "first"))).client_secret
    assert expect(PaymentAnswer, await market.pay(Pay(one.id, VISA, "second"))).charge.attempt == 2
    assert await market.pay(Pay(other.id, VISA, "second")) == RequestMismatch()
    assert await market.pay(Pay(other.id, VISA, "first")) == RequestMismatch()
    assert expect(PaymentAnswer, await market.pay(Pay(other.id, VISA, "third"))).fresh
    assert await keys_twice(market) == set()


async def test_one_request_opens_several_attempts_of_one_order_and_none_of_another(market: LocalMarket) -> None:
    now = market.connections.clock.now()
    ours, theirs = new_id(), new_id()
    charges = [
        Charge(new_id(), order, new_id(), new_id(), attempt, 5_000, "usd", VISA, ChargeStatus.CREATED, now, now,
               request="a request")
        for order, attempt in [(ours, 2), (ours, 3), (theirs, 2)]
    ]  # fmt: skip
    opened = [OpenCharge(charge) for charge in charges]
    answers = await market.ask_host(market.charges, opened)
    assert [type(answer) for answer in answers] == [Charge, Charge, RequestMismatch]
    (again,) = await market.ask_host(market.charges, [opened[1]])
    assert again == answers[1]
    assert await keys_twice(market) == set()


# What is put back


async def test_messages_to_one_ticket_keep_their_order_when_one_of_them_waits_for_the_next_turn(
    market: LocalMarket,
) -> None:
    first, second = await listed(market, 2)
    one, again = holds([first, second], new_id(), new_id())
    hold = a_hold(second)
    commands = [one, again, ReadTicket(second), hold, CancelOrder(second, hold.order_id), ReadTicket(second)]
    answers = await market.ask_host(market.tickets, commands)
    assert isinstance(answers[1], RequestMismatch)
    seen = [expect(TicketAnswer, answer).ticket for answer in answers[2:]]
    assert [ticket.status.value for ticket in seen] == ["available", "reserved", "available", "available"]


async def test_messages_waiting_for_the_next_turn_are_decided_with_those_that_lost_their_commit(
    market: LocalMarket,
) -> None:
    journal = GatedJournal(market.connections.database)
    first, second, third = await listed(market, 3)
    market.connections.journal = journal
    host, elsewhere = market.start_tickets(), market.tickets
    commands = [*holds([first, second], new_id(), new_id()), a_hold(third)]
    answers = asyncio.create_task(market.ask_host(host, commands))
    await eventually(lambda: journal.waiting == 1)
    expect(TicketAnswer, await asked(market, elsewhere, a_hold(third)))
    journal.gate.set()
    assert [type(answer).__name__ for answer in await answers] == ["TicketAnswer", "RequestMismatch", "AlreadyReserved"]
    assert await keys_twice(market) == set()


class ForgetsItsKeys(TicketEntity):
    """Says of two orders that they want one key, and never finds out that it is taken."""

    def unique_keys(self, event: TicketEvent) -> tuple[str, ...]:
        return ("a key for everything",) if super().unique_keys(event) else ()


async def test_a_unique_key_that_nobody_looks_up_ends_in_a_refusal_and_not_in_a_loop(market: LocalMarket) -> None:
    market.tickets = market._start(ForgetsItsKeys(market.connections.queries), "tickets-0")
    tickets = await listed(market, 3)
    answers = await market.ask_host(market.tickets, [a_hold(ticket_id) for ticket_id in tickets])
    assert [type(answer) for answer in answers] == [TicketAnswer, Unavailable, Unavailable]
    assert await keys_twice(market) == set()


class WantsOneKeyTwice(TicketEntity):
    """Has a bug: its edits change the ticket twice for one key."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        decided = super().decide(ticket, command, now)
        return replace(decided, events=decided.events * 2) if isinstance(command, EditTicket) else decided


async def test_a_message_whose_own_events_have_a_key_twice_fails_by_itself(market: LocalMarket) -> None:
    market.tickets = market._start(WantsOneKeyTwice(market.connections.queries), "tickets-0")
    created = a_ticket()
    expect(TicketAnswer, await market.ask_ticket(created))
    edit = EditTicket(created.ticket_id, created.seller_id, replace(DETAILS, price=6_000), new_id())
    assert isinstance(await market.ask_ticket(edit), Unavailable)
    await held(market, created.ticket_id)
