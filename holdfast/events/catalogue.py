"""Every published event: its subject, its version, and the model of its data.

A subject and a version never change their meaning. A field may be added to a version, always with a default; any other
change is a new version, published beside the old one for as long as somebody reads that. Amounts are in cents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from holdfast.events.event import TYPE_PREFIX

FIRST_VERSION = 1


class Data(BaseModel):
    """The data of an event. Fields that are not known are passed over: a newer market may send them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class TicketData(Data):
    """Something happened to a ticket."""

    ticket_id: str


class Listing(TicketData):
    """A ticket as its seller describes it; `price_cents` and `face_value_cents` are in cents of `currency`."""

    title: str
    price_cents: int
    currency: str
    description: str | None = None
    category: str | None = None
    venue: str | None = None
    city: str | None = None
    starts_at: datetime | None = None
    timezone: str | None = None
    section: str | None = None
    row: str | None = None
    seat: str | None = None
    restrictions: str | None = None
    face_value_cents: int | None = None


class NewListing(Listing):
    """A ticket that was listed."""

    seller_id: str


class WaitingListData(TicketData):
    """Somebody joined or left the line for a ticket."""

    user_id: str


class OrderData(TicketData):
    """An order as it is after the event. `offer` until the buyer accepts what the waiting list offers, or pays.

    `fee_cents` is the part of `price_cents` that the market keeps.
    """

    order_id: str
    seller_id: str
    buyer_id: str
    title: str
    price_cents: int
    fee_cents: int
    currency: str
    status: Literal["created", "awaiting:payment", "complete", "cancelled"]
    attempt: int
    created_at: datetime
    expires_at: datetime
    offer: bool = False
    refunding: bool = False
    cancel_reason: str | None = None


class ChargeData(TicketData):
    """An attempt to take the money of an order, as it is after the event. `dispute` is Stripe's word for its state."""

    charge_id: str
    order_id: str
    buyer_id: str
    attempt: int
    amount_cents: int
    currency: str
    status: Literal["created", "authorised", "completed", "failed", "voided", "refunded"]
    created_at: datetime
    action_required: bool = False
    refunding: bool = False
    dispute: str | None = None


class UserData(Data):
    """Something happened to an account."""

    user_id: str


@dataclass(frozen=True, slots=True)
class EventType:
    """One published type of event. `means` says in a sentence what happened."""

    subject: str
    data: type[Data]
    means: str
    version: int = FIRST_VERSION

    @property
    def type(self) -> str:
        """The CloudEvents type, such as `com.holdfast.order.created.v1`."""
        return f"{TYPE_PREFIX}{self.subject}.v{self.version}"


# By the name under which the journal stores the event.
CATALOGUE: Mapping[str, EventType] = {
    "TicketCreated": EventType("ticket.created", NewListing, "A ticket was listed."),
    "TicketUpdated": EventType("ticket.updated", Listing, "The seller changed the ticket; all that they say of it."),
    "TicketWithdrawn": EventType("ticket.withdrawn", TicketData, "The ticket is not for sale any more."),
    "TicketSuspended": EventType(
        "ticket.suspended", TicketData, "The ticket is held or sold, and its seller may not sell any more."
    ),
    "TicketReinstated": EventType("ticket.reinstated", TicketData, "The ticket's seller may sell again."),
    "OrderCreated": EventType("order.created", OrderData, "A buyer holds the ticket."),
    "OfferAccepted": EventType("order.offer_accepted", OrderData, "A buyer took what the waiting list offered."),
    "OrderAwaitingPayment": EventType("order.awaiting_payment", OrderData, "The buyer began to pay."),
    "OrderReopened": EventType("order.reopened", OrderData, "A payment failed, and another attempt is allowed."),
    "OrderCompleted": EventType("order.completed", OrderData, "The ticket is sold."),
    "OrderRefunding": EventType("order.refunding", OrderData, "The buyer's money is to go back."),
    "OrderRefundFailed": EventType("order.refund_failed", OrderData, "The money could not go back; the sale stands."),
    "OrderCancelled": EventType("order.cancelled", OrderData, "The order is over; `cancelReason` says why."),
    "OrderExpired": EventType("order.expired", OrderData, "The order's time ran out; the ticket is free."),
    "WaiterJoined": EventType("waiting_list.joined", WaitingListData, "Somebody waits for the ticket."),
    "WaiterLeft": EventType("waiting_list.left", WaitingListData, "Somebody waits for the ticket no longer."),
    "WaitingListClosed": EventType("waiting_list.closed", TicketData, "The seller sent everybody away who waited."),
    "ChargeCreated": EventType("charge.created", ChargeData, "An attempt to pay began."),
    "ChargeActionRequired": EventType("charge.action_required", ChargeData, "The buyer's bank asks the buyer."),
    "ChargeAuthorised": EventType("charge.authorised", ChargeData, "The bank holds the money for the market."),
    "ChargeCompleted": EventType("charge.completed", ChargeData, "The money was taken."),
    "ChargeFailed": EventType("charge.failed", ChargeData, "The attempt failed; no money was taken."),
    "ChargeVoided": EventType("charge.voided", ChargeData, "The money that the bank held was let go."),
    "ChargeRefunded": EventType("charge.refunded", ChargeData, "The money is on its way back."),
    "ChargeRefundFailed": EventType("charge.refund_failed", ChargeData, "The refund failed; the money is with us."),
    "ChargePaidByHand": EventType(
        "charge.paid_by_hand", ChargeData, "The refund failed, and the operator paid the buyer another way."
    ),
    "ChargeDisputed": EventType("charge.disputed", ChargeData, "The bank asks for the money, or a dispute went on."),
    "UserCreated": EventType("user.created", UserData, "Somebody signed up."),
    "UserUpdated": EventType("user.updated", UserData, "Something about an account changed."),
}
# What the journal calls OrderCreated as well.
OFFERED = EventType("order.offered", OrderData, "The waiting list offers the ticket to a buyer, and holds it so long.")
# Steps between the market and Stripe, of no meaning to anyone else, which count as versions of their charge; and who is
# a member of the market.
UNPUBLISHED = frozenset(
    {"ChargeTried", "ChargeIntentCreated", "ChargeIntentCancelled", "ChargeRefunding", "MembershipChanged"}
)
BY_TYPE: Mapping[str, EventType] = {each.type: each for each in (*CATALOGUE.values(), OFFERED)}
