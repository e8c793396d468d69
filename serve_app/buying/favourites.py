"""Keeping an eye on tickets."""

from collections.abc import Sequence
from dataclasses import replace

from pymongo.errors import PyMongoError

from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import ReadTicket
from actors.storage.page import Page
from serve_app.accounts.tokens import Session
from serve_app.http.errors import ConflictError
from serve_app.search.closed_accounts import as_shown
from serve_app.search.tickets import ask, existing
from serve_app.services import Services

# Nobody looks through more, and so many are read and deleted in a moment.
MOST = 500


async def keep(services: Services, user_id: str, ticket_id: str) -> None:
    """Keep a ticket that exists; a repeat changes nothing. Raises NotFoundError, and ConflictError beyond 500."""
    ticket = (await ask(services, ReadTicket(existing(ticket_id)))).ticket
    if await services.favourites.count(user_id) >= MOST and not await services.favourites.is_kept(user_id, ticket.id):
        raise ConflictError(f"You keep {MOST} tickets already: take some off the list first.")
    await services.favourites.add(user_id, ticket.id, services.clock())


async def drop(services: Services, user_id: str, ticket_id: str) -> None:
    """Keep a ticket no longer; a repeat changes nothing. Raises NotFoundError for what is no id."""
    await services.favourites.remove(user_id, existing(ticket_id))


async def is_kept(services: Services, user_id: str | None, ticket_id: str) -> bool | None:
    """Whether the user keeps the ticket; None for nobody, or when the database cannot say."""
    if user_id is None:
        return None
    try:
        return await services.favourites.is_kept(user_id, ticket_id)
    except PyMongoError:
        return None


async def kept(services: Services, session: Session, limit: int, after: str | None) -> Page[Ticket]:
    """Return the tickets that somebody keeps, as they are and as this reader may see them, the newest first."""
    page = await services.favourites.of_user(session.user_id, limit, after)
    tickets = await _tickets(services, page.items)
    return Page([await as_shown(services, ticket, session) for ticket in tickets], page.next_position)


async def _tickets(services: Services, ids: Sequence[str]) -> list[Ticket]:
    """Return the tickets in this order, with the orders that have them, in two queries."""
    stored = await services.queries.tickets.by_ids(ids)
    live = await services.queries.orders.live(ids, services.clock())
    return [replace(ticket, order=live.get(ticket.id)) for ticket in stored]
