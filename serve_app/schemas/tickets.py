"""Tickets as clients send and see them."""

from typing import ClassVar, Literal, NotRequired, cast

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from actors.domain.money import to_major_units
from actors.domain.ticket import Ticket
from actors.domain.ticket_values import Order, TicketDetails, TicketStatus
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import (
    Category,
    Currency,
    Description,
    FaceValue,
    Place,
    Price,
    Restrictions,
    Seat,
    StartsAt,
    TimeZone,
    Title,
)

# A client may read a ticket, change its title and send it back whole.
_SET_BY_THE_MARKET = frozenset(
    {"id", "userId", "orderId", "version", "status", "heldUntil", "waiting", "createdAt", "updatedAt"}
)


class TicketBody(Body):
    """What a seller says of a ticket; an edit replaces all of it, so what is left out is removed."""

    of_first_release: ClassVar[frozenset[str]] = frozenset(
        ("currency", "description", "category", "venue", "city", "starts_at")
    )

    title: Title
    price: Price
    currency: Currency = Field(default=None, validate_default=True)
    description: Description = None
    category: Category | None = None
    venue: Place = None
    city: Place = None
    starts_at: StartsAt = Field(default=None, alias="startsAt")
    timezone: TimeZone = None
    section: Seat = None
    row: Seat = None
    seat: Seat = None
    restrictions: Restrictions = None
    face_value: FaceValue = Field(default=None, alias="faceValue", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_the_market_sets(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: field for name, field in value.items() if name not in _SET_BY_THE_MARKET}

    def details(self) -> TicketDetails:
        """Return it as the actors know it."""
        return TicketDetails(**self.model_dump())


class PlaceView(TypedDict):
    """When and where, and which seat, without what is not known. `timezone` is the IANA name of the venue's zone."""

    venue: NotRequired[str]
    city: NotRequired[str]
    startsAt: NotRequired[str]
    timezone: NotRequired[str]
    section: NotRequired[str]
    row: NotRequired[str]
    seat: NotRequired[str]
    restrictions: NotRequired[str]
    faceValue: NotRequired[float]


class DetailsView(PlaceView):
    """What the seller said of a ticket."""

    title: str
    price: float
    currency: str
    description: NotRequired[str]
    category: NotRequired[str]


class HoldView(TypedDict):
    """When the hold of a ticket ends."""

    heldUntil: NotRequired[str]


class TicketView(DetailsView, HoldView):
    """A ticket. `orderId` is the order that holds or has bought it, and `heldUntil` is there while it is reserved."""

    id: str
    userId: str
    orderId: str | None
    version: int
    status: TicketStatus
    createdAt: str
    updatedAt: str


class SaleView(TypedDict):
    """To whom a ticket went is the buyer's matter; for how much is the seller's.

    `price` is `sellerGets` and `fee`, to the cent, as they were when the ticket was held.
    """

    orderId: str
    price: float
    fee: float
    sellerGets: float
    currency: str
    refunding: NotRequired[Literal[True]]


class OwnTicketView(TicketView):
    """A ticket as its seller sees it: `sale` is there once it is sold, and `waiting` says how many are in line."""

    waiting: NotRequired[int]
    sale: NotRequired[SaleView]


def details_view(details: TicketDetails) -> DetailsView:
    """Return the details with the price in major units, without what is not known."""
    view: DetailsView = {"title": details.title, "price": to_major_units(details.price), "currency": details.currency}
    if details.description is not None:
        view["description"] = details.description
    if details.category is not None:
        view["category"] = details.category
    return {**view, **place_view(details)}


def place_view(of: TicketDetails | Order) -> PlaceView:
    """Return when and where, and which seat, without what is not known."""
    view: PlaceView = {}
    if of.venue is not None:
        view["venue"] = of.venue
    if of.city is not None:
        view["city"] = of.city
    if of.starts_at is not None:
        view["startsAt"] = iso(of.starts_at)
    if of.timezone is not None:
        view["timezone"] = of.timezone
    if of.section is not None:
        view["section"] = of.section
    if of.row is not None:
        view["row"] = of.row
    if of.seat is not None:
        view["seat"] = of.seat
    if of.restrictions is not None:
        view["restrictions"] = of.restrictions
    if of.face_value is not None:
        view["faceValue"] = to_major_units(of.face_value)
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
        **_hold_view(ticket.order),
    }


def _hold_view(order: Order | None) -> HoldView:
    return {} if order is None or not order.is_open else {"heldUntil": iso(order.expires_at)}


def ticket_view_of_seller(ticket: Ticket) -> OwnTicketView:
    """Return what anybody may see of the ticket, and how many wait for it."""
    view = cast("OwnTicketView", ticket_view(ticket))
    if ticket.waiting:
        view["waiting"] = len(ticket.waiting)
    return view


def own_ticket_view(ticket: Ticket) -> OwnTicketView:
    """Return what the seller sees of the ticket in their list: also what it was sold for."""
    view = ticket_view_of_seller(ticket)
    order = ticket.order
    if order is not None and not order.is_open:
        sale: SaleView = {
            "orderId": order.id,
            "price": to_major_units(order.price),
            "fee": to_major_units(order.fee),
            "sellerGets": to_major_units(order.seller_gets),
            "currency": order.currency,
        }
        if order.refunding:
            sale["refunding"] = True
        view["sale"] = sale
    return view
