"""What happened to a ticket, to the orders for it and to its waiting list."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from actors.domain.ticket_values import Order, TicketDetails


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something happened to an order for the ticket; it is told whole, as it is then."""

    order: Order


@dataclass(frozen=True, slots=True)
class TicketCreated:
    seller_id: str
    details: TicketDetails
    request: str | None = None


@dataclass(frozen=True, slots=True)
class TicketUpdated:
    """`edit_id` is that of the wish it came from, so that it changes the ticket once however often it is sent."""

    details: TicketDetails
    edit_id: str | None = None


@dataclass(frozen=True, slots=True)
class TicketWithdrawn:
    pass


@dataclass(frozen=True, slots=True)
class TicketSuspended:
    """It is held or sold, and its seller may not sell any more: released it is withdrawn in the same commit."""


@dataclass(frozen=True, slots=True)
class TicketReinstated:
    """Its seller may sell again."""


@dataclass(frozen=True, slots=True)
class OrderCreated(OrderEvent):
    pass


@dataclass(frozen=True, slots=True)
class OfferAccepted(OrderEvent):
    """The buyer wants what was offered: from now on the order is like any other."""


@dataclass(frozen=True, slots=True)
class OrderAwaitingPayment(OrderEvent):
    pass


@dataclass(frozen=True, slots=True)
class OrderReopened(OrderEvent):
    """A payment failed and another attempt is allowed: the order is `created` again and keeps its end."""


@dataclass(frozen=True, slots=True)
class OrderCompleted(OrderEvent):
    pass


@dataclass(frozen=True, slots=True)
class OrderRefunding(OrderEvent):
    """The money of a complete order is to go back."""


@dataclass(frozen=True, slots=True)
class OrderRefundFailed(OrderEvent):
    """The money could not be given back: the order is complete as before."""


@dataclass(frozen=True, slots=True)
class OrderCancelled(OrderEvent):
    pass


@dataclass(frozen=True, slots=True)
class OrderExpired(OrderEvent):
    pass


@dataclass(frozen=True, slots=True)
class WaiterJoined:
    """Somebody waits for the ticket, or names another limit in cents."""

    user_id: str
    max_price: int | None = None


@dataclass(frozen=True, slots=True)
class WaiterLeft:
    user_id: str


@dataclass(frozen=True, slots=True)
class WaitingListClosed:
    """The seller sent everybody away who waited."""


WaitingEvent: TypeAlias = WaiterJoined | WaiterLeft | WaitingListClosed


TicketEvent: TypeAlias = (
    TicketCreated
    | TicketUpdated
    | TicketWithdrawn
    | TicketSuspended
    | TicketReinstated
    | OrderCreated
    | OfferAccepted
    | OrderAwaitingPayment
    | OrderReopened
    | OrderCompleted
    | OrderRefunding
    | OrderRefundFailed
    | OrderCancelled
    | OrderExpired
    | WaiterJoined
    | WaiterLeft
    | WaitingListClosed
)


def order_in(event: TicketEvent) -> Order | None:
    """Return the order that an event of a ticket is about, None where it is about the ticket alone."""
    match event:
        case OrderEvent(order=order):
            return order
        case (
            TicketCreated() | TicketUpdated() | TicketWithdrawn() | TicketSuspended() | TicketReinstated()
            | WaiterJoined() | WaiterLeft() | WaitingListClosed()
        ):  # fmt: skip
            return None
        case _:
            assert_never(event)
