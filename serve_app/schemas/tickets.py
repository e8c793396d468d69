"""Tickets as clients send and see them."""

from typing import Literal, NotRequired, cast

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from actors.domain.messages import Details, TicketStatus
from actors.domain.money import major
from actors.domain.ticket import Ticket
from serve_app.instants import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Category, Currency, Description, Place, Price, StartsAt, Title

# A client may read a ticket, change its title and send it back whole.
_SET_BY_THE_MARKET = frozenset({"id", "userId", "orderId", "version", "status", "createdAt", "updatedAt"})


class TicketBody(Body):
    """What a seller says of a ticket; an edit replaces all of it, so what is left out is removed."""

    title: Title
    price: Price
    currency: Currency = Field(default=None, validate_default=True)
    description: Description = None
    category: Category | None = None
    venue: Place = None
    city: Place = None
    starts_at: StartsAt = Field(default=None, alias="startsAt")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_the_market_sets(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: field for name, field in value.items() if name not in _SET_BY_THE_MARKET}

    def details(self) -> Details:
        """Return it as the actors know it."""
        return Details(**self.model_dump())


class DetailsView(TypedDict):
    """What the seller said of a ticket."""

    title: str
    price: float
    currency: str
    description: NotRequired[str]
    category: NotRequired[str]
    venue: NotRequired[str]
    city: NotRequired[str]
    startsAt: NotRequired[str]


class TicketView(DetailsView):
    """A ticket. `orderId` is the order that holds or has bought it."""

    id: str
    userId: str
    orderId: str | None
    version: int
    status: TicketStatus
    createdAt: str
    updatedAt: str


class SaleView(TypedDict):
    """To whom a ticket went is the buyer's matter; for how much is the seller's."""

    orderId: str
    price: float
    currency: str
    refunding: NotRequired[Literal[True]]


class OwnTicketView(TicketView):
    """A ticket as its seller sees it in their list: `sale` is there once it is sold."""

    sale: NotRequired[SaleView]


def details_view(details: Details) -> DetailsView:
    """Return the details with the price in major units, without what is not known."""
    view: DetailsView = {"title": details.title, "price": major(details.price), "currency": details.currency}
    if details.description is not None:
        view["description"] = details.description
    if details.category is not None:
        view["category"] = details.category
    if details.venue is not None:
        view["venue"] = details.venue
    if details.city is not None:
        view["city"] = details.city
    if details.starts_at is not None:
        view["startsAt"] = iso(details.starts_at)
    return view


def ticket_view(ticket: Ticket) -> TicketView:
    """Return what anybody may see of the ticket."""
    return {
        "id": ticket.id,
        **details_view(ticket.details),
        "userId": ticket.seller_id,
        "orderId": ticket.order.id if ticket.order else None,
        "version": ticket.version,
        "status": ticket.status,
        "createdAt": iso(ticket.created_at),
        "updatedAt": iso(ticket.updated_at),
    }


def own_ticket_view(ticket: Ticket) -> OwnTicketView:
    """Return what the seller sees of the ticket: what anybody sees, and what it was sold for."""
    view = cast("OwnTicketView", ticket_view(ticket))
    order = ticket.order
    if order is not None and not order.is_open:
        sale: SaleView = {"orderId": order.id, "price": major(order.price), "currency": order.currency}
        if order.refunding:
            sale["refunding"] = True
        view["sale"] = sale
    return view
