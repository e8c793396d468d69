"""What people wrote about tickets before they closed their accounts: kept in the journal, and published no longer."""

from dataclasses import replace

from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketDetails, TicketStatus
from actors.storage.users import Users

TITLE = "A ticket of a closed account"
# Nobody closes an account while a ticket of theirs is sold and its event, or so much time, is to come.
_UNDATED_MS = 180 * 86_400_000


async def as_everybody_sees(ticket: Ticket, users: Users, now: Instant) -> Ticket:
    """Return the ticket without words of its seller if it is not for sale any more and their account is closed.

    Asks the database for tickets only that may be of such an account. Raises PyMongoError.
    """
    if not _may_be_of_a_closed_account(ticket, now) or not await users.is_closed(ticket.seller_id):
        return ticket
    return replace(ticket, details=_without_words(ticket.details))


def _may_be_of_a_closed_account(ticket: Ticket, now: Instant) -> bool:
    if ticket.status is TicketStatus.SOLD:
        starts_at = ticket.details.starts_at
        return (ticket.updated_at + _UNDATED_MS if starts_at is None else starts_at) < now
    return ticket.status is TicketStatus.WITHDRAWN


def _without_words(details: TicketDetails) -> TicketDetails:
    return replace(
        details,
        title=TITLE,
        description=None,
        venue=None,
        city=None,
        section=None,
        row=None,
        seat=None,
        restrictions=None,
    )
