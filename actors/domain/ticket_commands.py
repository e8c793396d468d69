"""What a ticket is asked to do. Each command says what it answers and which refusals it knows."""

from dataclasses import dataclass
from typing import TypeAlias

from actors.domain.ticket_values import CancelReason, TicketDetails


@dataclass(frozen=True, slots=True)
class CreateTicket:
    """Lists a ticket. `request` is a digest of what was asked: the same id with another one is refused."""

    ticket_id: str
    seller_id: str
    details: TicketDetails
    request: str | None = None


@dataclass(frozen=True, slots=True)
class EditTicket:
    """Replaces the details. `edit_id` names this wish: sent again it changes nothing more and is answered the same.

    With `expected_versions` only if the details are still those of one of these versions.
    """

    ticket_id: str
    user_id: str
    details: TicketDetails
    edit_id: str | None = None
    expected_versions: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class WithdrawTicket:
    ticket_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class SuspendTicket:
    """Its seller may not sell any more: it is withdrawn, or marked to be withdrawn in the commit that releases it."""

    ticket_id: str


@dataclass(frozen=True, slots=True)
class ReinstateTicket:
    """Its seller may sell again: takes the flag away; what was withdrawn stays withdrawn."""

    ticket_id: str


@dataclass(frozen=True, slots=True)
class ReadTicket:
    ticket_id: str


@dataclass(frozen=True, slots=True)
class ActivateTicket:
    """Brings a ticket into memory, so that its timer runs; a hold that is due ends."""

    ticket_id: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """Holds the ticket for `window` ms at the price of now, or of `expected_price` if that is still the price.

    With `expected_version` only if the ticket was not edited since; that others held it meanwhile does not matter.
    From the buyer whom the ticket is offered to it accepts the offer, which then ends `window` ms from now.
    `is_limited` is False where limits are lifted for load tests: then it does not matter how often the buyer held
    tickets without paying.
    """

    ticket_id: str
    order_id: str
    buyer_id: str
    window: int
    expected_price: int | None = None
    max_holds: int | None = None
    request: str | None = None
    expected_version: int | None = None
    is_limited: bool = True


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """The buyer gives the ticket back, also while it is being paid, until the sale."""

    ticket_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class StartPayment:
    """Marks the order as being paid. With less than `grace` ms left the hold is extended, once, to that."""

    ticket_id: str
    order_id: str
    grace: int


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """Asks how the order that has the ticket stands, by the journal. Changes nothing but a hold that is due."""

    ticket_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class Sell:
    """The point of no return: only the order that holds the ticket, for the held price, in its current attempt.

    An actor of an older release names no attempt: then it is the first.
    """

    ticket_id: str
    order_id: str
    charge_id: str
    amount: int
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Release:
    """The payment of this attempt failed: the order ends, or is open again when another attempt is allowed.

    One that does not count, because it was abandoned or its payment method is unknown, leaves the order open.
    """

    ticket_id: str
    order_id: str
    attempt: int
    max_attempts: int
    counts: bool = True


@dataclass(frozen=True, slots=True)
class CancelSale:
    """Takes a sale back whose money could not be collected."""

    ticket_id: str
    order_id: str
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class StartRefund:
    """The seller takes a sale back before the event; the order stays complete until its money is given back.

    An administrator does so at any time, and then the ticket is not for sale again.
    """

    ticket_id: str
    order_id: str
    user_id: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class AbandonRefund:
    """The money could not be given back: the sale stands."""

    ticket_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class JoinWaitingList:
    """Puts the user at the end of the line, for at most `max_price` cents; in line already they keep their place."""

    ticket_id: str
    user_id: str
    max_price: int | None = None


@dataclass(frozen=True, slots=True)
class LeaveWaitingList:
    ticket_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class CloseWaitingList:
    """The seller sends everybody away who waits, and nobody can join until the ticket is for sale again."""

    ticket_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Expire:
    """The time of this order is over; releases only the hold that it names."""

    ticket_id: str
    order_id: str


# About the order that holds or has bought the ticket: without one of that id it is closed.
OrderCommand: TypeAlias = (
    CancelOrder | StartPayment | ReadOrder | Sell | Release | CancelSale | StartRefund | AbandonRefund | Expire
)
# What is answered according to the ticket's state.
StateCommand: TypeAlias = Reserve | EditTicket | WithdrawTicket | SuspendTicket | JoinWaitingList | OrderCommand
TicketCommand: TypeAlias = (
    CreateTicket | ReadTicket | ActivateTicket | ReinstateTicket | LeaveWaitingList | CloseWaitingList | StateCommand
)
