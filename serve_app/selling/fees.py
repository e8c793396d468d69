"""What sellers get of a price."""

from actors.domain.fees import fee_of
from actors.domain.ticket import Ticket
from config.settings import Settings


def seller_gets(ticket: Ticket, settings: Settings) -> int:
    """Return cents: as they are fixed for the order that holds or has bought the ticket, otherwise at today's fee."""
    if ticket.order is not None:
        return ticket.order.seller_gets
    return rest_of(ticket.details.price, settings)


def rest_of(price: int, settings: Settings) -> int:
    """Return what a seller gets of a price at today's fee, in cents."""
    return price - fee_of(price, settings.fee_hundredths)
