"""Who may still read what people wrote about tickets before they closed their accounts."""

from actors.domain.ticket import Ticket
from serve_app.accounts.tokens import Session
from serve_app.search.erased_words import as_everybody_sees
from serve_app.services import Services


async def as_shown(services: Services, ticket: Ticket, session: Session | None) -> Ticket:
    """Return the ticket as its reader may see it: its buyer and administrators also see the words of closed accounts.

    Raises PyMongoError.
    """
    shown = await as_everybody_sees(ticket, services.users, services.clock())
    if shown is ticket or session is None:
        return shown
    is_buyer = ticket.order is not None and ticket.order.buyer_id == session.user_id
    return ticket if is_buyer or await services.is_admin(session.user_id) else shown
