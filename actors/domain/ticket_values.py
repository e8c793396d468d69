"""What is known of a ticket and of an order.

Prices are integers of cents; ids are 24 hexadecimal digits.
"""

from dataclasses import dataclass
from enum import StrEnum

from actors.domain.instants import Instant
from actors.domain.open_enum import OpenEnum


class TicketStatus(StrEnum):
    AVAILABLE = "available"
    RESERVED = "reserved"
    SOLD = "sold"
    WITHDRAWN = "withdrawn"


class OrderStatus(StrEnum):
    CREATED = "created"
    AWAITING_PAYMENT = "awaiting:payment"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


class CancelReason(OpenEnum):
    BUYER = "buyer"
    EXPIRED = "expired"
    DECLINED = "declined"
    REFUNDED = "refunded"
    CAPTURE_FAILED = "capture_failed"
    WITHDRAWN = "withdrawn"


class RefundStatus(StrEnum):
    """What became of money that is to go back: `failed` is the operator's to pay by hand."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    PAID_BY_HAND = "paid_by_hand"


@dataclass(frozen=True, slots=True)
class TicketDetails:
    """What a seller says of a ticket, all of it replaced by an edit."""

    title: str
    price: int
    currency: str
    description: str | None = None
    category: str | None = None
    venue: str | None = None
    city: str | None = None
    starts_at: Instant | None = None
    timezone: str | None = None
    section: str | None = None
    row: str | None = None
    seat: str | None = None
    restrictions: str | None = None
    face_value: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One purchase. Every order event carries it whole, so a document can be written from any one event.

    From `venue` to `face_value` it says what is bought, as it was when it was held; orders of the first release do not.
    `refund_by` is the user who asked for the refund. `offer` while it is an offer of the waiting list that its buyer
    has neither accepted nor begun to pay. `fee` is the part of the price in cents that the market keeps, as it was
    when the ticket was held; orders of before there were fees have none.
    """

    id: str
    ticket_id: str
    seller_id: str
    buyer_id: str
    title: str
    price: int
    currency: str
    status: OrderStatus
    created_at: Instant
    expires_at: Instant
    updated_at: Instant
    version: int = 1
    attempt: int = 1
    extended: bool = False
    refunding: bool = False
    charge_id: str | None = None
    cancel_reason: CancelReason | None = None
    request: str | None = None
    venue: str | None = None
    city: str | None = None
    starts_at: Instant | None = None
    timezone: str | None = None
    section: str | None = None
    row: str | None = None
    seat: str | None = None
    restrictions: str | None = None
    face_value: int | None = None
    refund_by: str | None = None
    uncounted: int = 0
    offer: bool = False
    fee: int = 0

    @property
    def seller_gets(self) -> int:
        """The rest of the price, in cents."""
        return self.price - self.fee

    @property
    def counted_attempts(self) -> int:
        """The attempts that count as PAYMENT_ATTEMPTS, this one included: no abandoned ones, and no unknown methods."""
        return self.attempt - self.uncounted

    @property
    def is_open(self) -> bool:
        """Whether it still holds its ticket without having bought it."""
        return self.status in (OrderStatus.CREATED, OrderStatus.AWAITING_PAYMENT)

    @property
    def has_pending_money(self) -> bool:
        """Whether its money is on the way: a purchase that stands still here is to be resumed."""
        return self.status is OrderStatus.AWAITING_PAYMENT or self.refunding
