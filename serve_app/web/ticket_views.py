"""Which view a ticket's page has for its visitor, and where it leads to."""

from urllib.parse import urlencode

from actors.domain.ticket import Ticket
from actors.domain.ticket_values import TicketStatus
from serve_app.web.visitor import Visitor


def view_of(ticket: Ticket, visitor: Visitor) -> str:
    """Return which of the page's views this visitor gets."""
    order, user_id = ticket.order, visitor.user_id
    is_mine = ticket.seller_id == user_id
    is_buyer = order is not None and order.buyer_id == user_id
    match ticket.status:
        case TicketStatus.WITHDRAWN:
            return "withdrawn"
        case TicketStatus.SOLD:
            return "bought" if is_buyer else "sold"
        case TicketStatus.RESERVED:
            return "mine" if is_mine else "holding" if is_buyer else "held"
    if is_mine:
        return "mine"
    starts_at = ticket.details.starts_at
    return "begun" if starts_at is not None and starts_at <= visitor.now else "available"


def similar_to(ticket: Ticket) -> str:
    """Return the address of a search for tickets like it: for the same kind of event, where it is."""
    details = ticket.details
    known = {"category": details.category, "city": details.city}
    query = urlencode({name: value for name, value in known.items() if value})
    return f"/?{query}" if query else "/"
