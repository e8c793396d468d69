"""A hold that is over although nobody's timer knew of it: the Supervisor finds it by its document."""

from dataclasses import dataclass, field

from actors.domain.refusals import NotFound, Refusal, Unavailable
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import ActivateTicket, ReadTicket, TicketCommand
from actors.domain.ticket_values import OrderStatus
from actors.supervision.recovery import OVERDUE_MS, WAKE_AGAIN_MS, Recovery
from actors.tickets.entity import TicketEntity
from tests.support.buying import Ahead
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.trading import expect, held, listed


class Forgetful(TicketEntity):
    """Its host sets no timer for any hold."""

    def timer(self, ticket: Ticket) -> None:  # noqa: ARG002 - it is never woken
        return None


async def rounds(market: LocalMarket, recovery: Recovery, how_many: int) -> None:
    """Rounds in which no writer has died."""
    for _ in range(how_many):
        await recovery.round(market.live, set(market.live))


async def an_overdue_hold(market: LocalMarket, recovery: Recovery) -> str:
    """The id of an order whose time is over; the Supervisor has woken everything that it knew of before."""
    market.tickets = market._start(Forgetful(market.connections.queries), "tickets-0")
    (ticket_id,) = await listed(market)
    await rounds(market, recovery, 1)
    hold = await held(market, ticket_id, window=1)
    order = (await market.connections.queries.orders([hold.order_id]))[hold.order_id]
    await eventually(lambda: market.connections.clock.now() > order.expires_at)
    return hold.order_id


async def is_open(market: LocalMarket, order_id: str) -> bool:
    """As the journal says, which is asked without waking anybody."""
    commits = await market.connections.journal.after(market.tickets.host.writer, 0, 10)
    orders = [getattr(record.event, "order", None) for commit in commits for record in commit.records]
    states = [order.status for order in orders if order is not None and order.id == order_id]
    return states[-1] is OrderStatus.CREATED


async def test_an_overdue_hold_whose_host_forgot_its_timer_expires_within_a_recovery_round(market: LocalMarket) -> None:
    recovery = market.recovery()
    order_id = await an_overdue_hold(market, recovery)
    # A timer may be a little late, and nobody else ends the hold.
    await rounds(market, recovery, 1)
    assert await is_open(market, order_id)
    recovery._clock = Ahead(market.connections.clock, OVERDUE_MS + 1_000)
    await rounds(market, recovery, 1)
    assert not await is_open(market, order_id)


@dataclass
class Asked:
    """Tickets that answer and do nothing, so that their orders' documents stay as they are."""

    answer: TicketAnswer | Refusal
    woken: list[TicketCommand] = field(default_factory=list)

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        self.woken.append(command)
        return self.answer


async def recovery_by(market: LocalMarket, asked: Asked) -> Recovery:
    """A Supervisor before which nothing but an overdue hold is left."""
    own = market.connections
    recovery = Recovery({}, own.journal, own.documents, own.stream, own.checkpoints, own.queries, asked, own.clock)
    await an_overdue_hold(market, recovery)
    recovery._clock = Ahead(own.clock, OVERDUE_MS + 1_000)
    asked.woken.clear()
    return recovery


async def test_an_overdue_hold_is_not_activated_in_every_recovery_round(market: LocalMarket) -> None:
    ticket = expect(TicketAnswer, await market.ask_ticket(ReadTicket((await listed(market))[0])))
    asked = Asked(ticket)
    recovery = await recovery_by(market, asked)
    await rounds(market, recovery, 5)
    assert [type(command) for command in asked.woken] == [ActivateTicket]
    recovery._clock = Ahead(market.connections.clock, OVERDUE_MS + WAKE_AGAIN_MS + 2_000)
    await rounds(market, recovery, 5)
    assert len(asked.woken) == 2


async def test_holds_of_a_shared_host_that_left_expire_in_time_at_their_new_host(market: LocalMarket) -> None:
    recovery, stays = market.recovery(), market.tickets
    (ticket_id,) = await listed(market)
    leaves = market.tickets = market._start(TicketEntity(market.connections.queries), "tickets-1")
    hold = await held(market, ticket_id, window=2_000)
    both = {"tickets-0": stays.host.writer, "tickets-1": leaves.host.writer}
    await recovery.round(both, set(both))
    await leaves.kill()
    market.tickets = stays
    one_less = {"tickets-0": stays.host.writer}
    await recovery.round(one_less, set(one_less), generation=1)

    async def is_over() -> bool:
        order = (await market.connections.queries.orders([hold.order_id]))[hold.order_id]
        return order.status is OrderStatus.CANCELLED

    assert not await is_over()
    await eventually(is_over, 3.0)


async def test_an_end_of_a_tickets_own_actor_activates_no_other_holds_again(market: LocalMarket) -> None:
    ticket = expect(TicketAnswer, await market.ask_ticket(ReadTicket((await listed(market))[0])))
    own, asked = market.connections, Asked(ticket)
    recovery = Recovery({}, own.journal, own.documents, own.stream, own.checkpoints, own.queries, asked, own.clock)
    await held(market, (await listed(market))[0], window=30_000)
    shared = {"tickets-0": "a"}
    for live in ({**shared, "ticket-abc": "b"}, shared, shared):
        await recovery.round(live, {*live, "payments-0"})
    assert len(asked.woken) == 1


async def test_an_overdue_hold_whose_host_does_not_answer_is_activated_again_in_the_next_recovery_round(
    market: LocalMarket,
) -> None:
    asked = Asked(NotFound())
    recovery = await recovery_by(market, asked)
    asked.answer = Unavailable()
    await rounds(market, recovery, 3)
    assert len(asked.woken) == 3
