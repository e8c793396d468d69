"""A ticket as its events leave it."""

from collections.abc import Iterable

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket, evolve
from actors.domain.ticket_events import TicketEvent


def fold(ticket: Ticket | None, events: Iterable[tuple[TicketEvent, Instant]], ticket_id: str) -> Ticket | None:
    """The ticket after all the events, each with its instant, in order of version."""
    for event, at in events:
        ticket = evolve(ticket, event, at, ticket_id)
    return ticket
