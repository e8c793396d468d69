"""Lists of tickets, and one ticket as it is now."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from starlette.requests import Request

from actors.domain.ids import is_id
from actors.domain.refusals import Refusal
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import ReadTicket, TicketCommand
from actors.domain.ticket_values import TicketStatus
from actors.storage.catalogue import TicketFilter
from actors.storage.page import Page
from serve_app.accounts.tokens import Session
from serve_app.http.errors import NotFoundError
from serve_app.http.refusal_errors import error_of
from serve_app.schemas.searches import TicketSearch
from serve_app.search.closed_accounts import as_shown
from serve_app.search.read_your_writes import must_read_own_writes
from serve_app.services import Services, services_of

Rendered = TypeVar("Rendered")


async def find_tickets(  # noqa: PLR0913 - what is asked, and how it is shown
    request: Request,
    search: TicketSearch,
    asked: Mapping[str, str],
    render: Callable[[Page[Ticket]], Rendered],
    *,
    representation: tuple[str, ...],
    seller_id: str | None = None,
    status: TicketStatus | None = None,
) -> Rendered:
    """Return a page of tickets as `render` shows it: rendered once for all who want the same, and kept for a moment.

    With `seller_id` those of one seller, in every state or in one. `asked` are the parameters as they came,
    `representation` names what else the rendering depends on. Raises pymongo's errors, and NoRoomError when this client
    asks for too much at a time.
    """
    services = services_of(request)
    refresh = must_read_own_writes(request)

    async def listed() -> Rendered:
        wanted = replace(wanted_of(search), seller_id=seller_id, status=status)
        now = services.clock()
        return render(await services.queries.catalogue.page(wanted, search.limit, search.cursor, now, refresh=refresh))

    # The front page waits behind nobody's questions.
    client = services.address_of(request) if asked else None
    return await services.lists.get(
        (representation, seller_id, status, *asked.items()),
        listed,
        refresh=refresh or seller_id is not None,
        client=client,
    )


def wanted_of(search: TicketSearch) -> TicketFilter:
    """Return what the search asks the list of tickets for sale for."""
    return TicketFilter(search.sort, search.q, search.category, search.city, search.min_price, search.max_price)


async def read_ticket(services: Services, ticket_id: str, session: Session | None) -> Ticket:
    """Return the ticket as its actor knows it, in any state, with the words that this reader may see.

    Raises NotFoundError.
    """
    answer = await ask(services, ReadTicket(existing(ticket_id)))
    return await as_shown(services, answer.ticket, session)


def existing(ticket_id: str) -> str:
    """Return the id. What cannot be one names no ticket: raises NotFoundError."""
    if not is_id(ticket_id):
        raise NotFoundError("There is no such ticket or order.")
    return ticket_id


async def ask(services: Services, command: TicketCommand) -> TicketAnswer:
    """Return the ticket's answer. Raises the error of its refusal."""
    answer = await services.market.ask_ticket(command)
    if isinstance(answer, Refusal):
        raise error_of(answer)
    return answer
