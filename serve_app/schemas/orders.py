"""Orders as clients send and see them."""

from typing import ClassVar, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from actors.domain.money import to_major_units
from actors.domain.ticket_values import CancelReason, Order, OrderStatus, RefundStatus
from serve_app.http.timestamps import iso
from serve_app.schemas.body import Body
from serve_app.schemas.fields import Id, OptionalPrice, Version
from serve_app.schemas.tickets import PlaceView, place_view


class OrderBody(Body):
    """The ticket to hold. With `expectedPrice` only at that price; without it at the price in the answer.

    With `expectedVersion` only if its seller did not edit it since that version.
    """

    of_first_release: ClassVar[frozenset[str]] = frozenset(("expected_price",))

    ticket_id: Id = Field(alias="ticketId")
    expected_price: OptionalPrice = Field(default=None, alias="expectedPrice")
    expected_version: Version = Field(default=None, alias="expectedVersion")


class OrderedTicket(PlaceView):
    """The ticket as it was when it was held."""

    id: str
    title: str
    price: float


class OrderView(TypedDict):
    """An order. After `expiresAt` the ticket is for sale again unless it was paid.

    `offer` is there while it is an offer of the waiting list, until its buyer accepts it by ordering or paying.
    `refunding` is there while it is being refunded and the money is not back yet. `refund` says what became of money
    that is to go back: absent when none is, `failed` when the operator has to pay it another way.
    """

    id: str
    status: OrderStatus
    cancelReason: NotRequired[CancelReason]
    offer: NotRequired[Literal[True]]
    refunding: NotRequired[Literal[True]]
    refund: NotRequired[RefundStatus]
    userId: str
    price: float
    currency: str
    createdAt: str
    expiresAt: str
    version: int
    ticket: OrderedTicket


class RefundView(TypedDict):
    """How a refund stands, without what is the buyer's matter. `refund` is absent when no money is to go back."""

    orderId: str
    refund: NotRequired[RefundStatus]


def order_view(order: Order, refund: RefundStatus | None = None) -> OrderView:
    """Return what its buyer sees of the order, and what became of money that is to go back."""
    price = to_major_units(order.price)
    view: OrderView = {
        "id": order.id,
        "status": order.status,
        "userId": order.buyer_id,
        "price": price,
        "currency": order.currency,
        "createdAt": iso(order.created_at),
        "expiresAt": iso(order.expires_at),
        "version": order.version,
        "ticket": {"id": order.ticket_id, "title": order.title, "price": price, **place_view(order)},
    }
    if order.cancel_reason is not None:
        view["cancelReason"] = order.cancel_reason
    if order.offer:
        view["offer"] = True
    if order.refunding:
        view["refunding"] = True
    if refund is not None:
        view["refund"] = refund
    return view


def refund_view(order: Order, refund: RefundStatus | None) -> RefundView:
    """Return what buyer and seller see of a refund."""
    return {"orderId": order.id} if refund is None else {"orderId": order.id, "refund": refund}
