"""Ids, tickets and orders to test with, where nothing depends on what exactly they are."""

from bson import ObjectId

from actors.domain.decision import NO_CONTEXT, DecisionContext
from actors.domain.refusals import Refusal
from actors.domain.ticket import Ticket, evolve
from actors.domain.ticket_commands import (
    CancelOrder,
    CreateTicket,
    Expire,
    Release,
    Reserve,
    Sell,
    StartPayment,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_events import TicketEvent
from actors.domain.ticket_rules import decide, due
from actors.domain.ticket_values import Order, TicketDetails

TICKET, SELLER, BUYER, ORDER, CHARGE = (digit * 24 for digit in "1abef")
ANOTHER, ANOTHER_ORDER, ANOTHER_CHARGE = "c" * 24, "d" * 24, "9" * 24

NOW = 1_700_000_000_000
WINDOW = 900_000
GRACE = 60_000
DETAILS = TicketDetails("Chamber music", 5_000, "usd")


def new_id() -> str:
    return str(ObjectId())


def creation(details: TicketDetails = DETAILS, request: str | None = None) -> CreateTicket:
    return CreateTicket(TICKET, SELLER, details, request)


def reservation(  # noqa: PLR0913 - all that a reservation can say
    order_id: str = ORDER,
    buyer_id: str = BUYER,
    *,
    ticket_id: str = TICKET,
    window: int = WINDOW,
    expected_price: int | None = None,
    max_holds: int | None = None,
    request: str | None = None,
) -> Reserve:
    return Reserve(ticket_id, order_id, buyer_id, window, expected_price, max_holds, request)


def handle(
    ticket: Ticket | None, command: TicketCommand, now: int = NOW, context: DecisionContext = NO_CONTEXT
) -> tuple[Ticket | None, tuple[TicketEvent, ...], Refusal | None]:
    """What a host does with one message: the due expiry first, then the decision. Pure."""
    events = list(due(ticket, now, context))
    for event in events:
        ticket = evolve(ticket, event, now, TICKET)
    decision = decide(ticket, command, now, context)
    if isinstance(decision, Refusal):
        return ticket, tuple(events), decision
    for event in decision:
        events.append(event)
        ticket = evolve(ticket, event, now, TICKET)
    return ticket, tuple(events), None


def ticket_after(*commands: TicketCommand, now: int = NOW) -> Ticket:
    """The ticket after these commands, all of them accepted."""
    ticket: Ticket | None = None
    for command in commands:
        ticket, _, refusal = handle(ticket, command, now)
        if refusal is not None:
            raise ValueError(f"{command} was refused: {refusal}")
    if ticket is None:
        raise ValueError("no command created the ticket")
    return ticket


def order_of(ticket: Ticket | None) -> Order:
    if ticket is None or ticket.order is None:
        raise ValueError("nobody holds the ticket")
    return ticket.order


START = StartPayment(TICKET, ORDER, GRACE)
SALE = Sell(TICKET, ORDER, CHARGE, DETAILS.price, attempt=1)
CANCELLATION = CancelOrder(TICKET, ORDER)
RELEASE = Release(TICKET, ORDER, attempt=1, max_attempts=1)
EXPIRY = Expire(TICKET, ORDER)
WITHDRAWAL = WithdrawTicket(TICKET, SELLER)
