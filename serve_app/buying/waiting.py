"""Waiting for a ticket that somebody else holds, leaving the line, and closing it as the seller."""

from dataclasses import dataclass

import structlog
from pymongo.errors import PyMongoError

from actors.domain.ticket_commands import CloseWaitingList, JoinWaitingList, LeaveWaitingList, ReadTicket
from actors.domain.waiting_list import place_in
from serve_app.http.errors import NotFoundError, TooManyRequestsError
from serve_app.schemas.waiting import WaitingBody
from serve_app.search.tickets import ask, existing
from serve_app.services import Services

# Counted in documents, so it is a matter of fairness: requests at the same moment may come to a few more.
MOST_LINES = 20

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place in line, the first is 1. `is_new` is False for somebody who was in line before."""

    place: int
    is_new: bool


async def join(services: Services, user_id: str, ticket_id: str, body: WaitingBody) -> Waiting:
    """Put the user in line. In line already they keep their place, and have the new limit.

    Raises NotFoundError, ConflictError when nobody else holds the ticket or its seller closed the line, and
    TooManyRequestsError with 100 in line or 20 lines of this user.
    """
    lines = await services.queries.tickets.waited_for_by(user_id, MOST_LINES + 1)
    was_in_line = existing(ticket_id) in lines
    if not was_in_line and len(lines) >= MOST_LINES:
        raise TooManyRequestsError(
            f"You wait for {MOST_LINES} tickets already. Leave the line for one of them first.", retry_after_seconds=600
        )
    answer = await ask(services, JoinWaitingList(ticket_id, user_id, body.max_price))
    place = place_in(answer.ticket.waiting, user_id)
    if place is None:
        raise _not_waiting()
    return Waiting(place, is_new=answer.fresh and not was_in_line)


async def place_of(services: Services, user_id: str, ticket_id: str) -> int:
    """Return the user's place in line. Raises NotFoundError for somebody who does not wait."""
    answer = await ask(services, ReadTicket(existing(ticket_id)))
    place = place_in(answer.ticket.waiting, user_id)
    if place is None:
        raise _not_waiting()
    return place


async def leave(services: Services, user_id: str, ticket_id: str) -> None:
    """Take the user out of the line; a repeat changes nothing. Raises NotFoundError."""
    await ask(services, LeaveWaitingList(existing(ticket_id), user_id))


async def close(services: Services, seller_id: str, ticket_id: str) -> None:
    """Send everybody away who waits, so that the next end of the hold has the ticket for sale.

    A repeat changes nothing. Raises NotFoundError, and ForbiddenError for somebody who is not the seller.
    """
    await ask(services, CloseWaitingList(existing(ticket_id), seller_id))


async def leave_all(services: Services, user_id: str) -> None:
    """Take somebody who may not buy any more out of their lines. Raises nothing: offers pass them over anyway."""
    try:
        lines = await services.queries.tickets.waited_for_by(user_id, 2 * MOST_LINES)
    except PyMongoError as error:
        logger.warning("waiter_not_removed", user=user_id, error=type(error).__name__)
        return
    for ticket_id in lines:
        await services.market.ask_ticket(LeaveWaitingList(ticket_id, user_id))


def _not_waiting() -> NotFoundError:
    return NotFoundError("You do not wait for this ticket.")
