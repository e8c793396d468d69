"""Listing and reserving in a market under test, with answers that are what the test expects."""

from typing import TypeVar

from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import CreateTicket, ReadTicket, Reserve
from actors.domain.ticket_values import TicketDetails
from tests.support.examples import DETAILS, WINDOW, new_id
from tests.support.local_market import LocalMarket, RunningHost

T = TypeVar("T")


def expect(kind: type[T], answer: object) -> T:
    """The answer, known to be of this kind."""
    assert isinstance(answer, kind), answer
    return answer


def a_ticket(details: TicketDetails = DETAILS) -> CreateTicket:
    return CreateTicket(new_id(), new_id(), details)


def a_hold(ticket_id: str, *, window: int = WINDOW, max_holds: int | None = None, buyer_id: str = "") -> Reserve:
    """A reservation by somebody new unless told who."""
    return Reserve(ticket_id, new_id(), buyer_id or new_id(), window, max_holds=max_holds)


async def listed(market: LocalMarket, how_many: int = 1) -> list[str]:
    """The ids of new tickets."""
    answers = await market.ask_host(market.tickets, [a_ticket() for _ in range(how_many)])
    return [expect(TicketAnswer, answer).ticket.id for answer in answers]


async def asked(market: LocalMarket, host: RunningHost, command: object, *, redelivered: bool = False) -> object:
    """What this host answers; `redelivered` as a gateway says that sent it before and heard nothing."""
    (answer,) = await market.ask_host(host, [command], redelivered=redelivered)
    return answer


async def held(market: LocalMarket, ticket_id: str, *, window: int = WINDOW) -> Reserve:
    """The reservation of a ticket that is now held."""
    reserve = a_hold(ticket_id, window=window)
    assert expect(TicketAnswer, await market.ask_ticket(reserve)).fresh
    return reserve


async def as_it_is(market: LocalMarket, ticket_id: str) -> Ticket:
    """The ticket as its actor tells."""
    return expect(TicketAnswer, await market.ask_ticket(ReadTicket(ticket_id))).ticket
