"""Everything that actors say to each other: commands (imperative), events (past tense) and refusals (the rule).

Instants are milliseconds since the epoch in UTC, on the database's clock; durations are milliseconds; prices are
integers of cents; ids are 24 hexadecimal digits.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self, TypeAlias

from actors.domain.account_events import SecurityEvent, UserEvent

Instant: TypeAlias = int


class OpenEnum(StrEnum):
    """Values that nothing is decided by: one that a newer release added is passed on as it is.

    Of every other enumeration an unknown value makes what has it unreadable.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        added = str.__new__(cls, value)
        added._name_ = added._value_ = value
        return added


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


class ChargeStatus(StrEnum):
    CREATED = "created"
    AUTHORISED = "authorised"
    COMPLETED = "completed"
    FAILED = "failed"
    VOIDED = "voided"
    REFUNDED = "refunded"


class ChargeStep(StrEnum):
    """The calls to Stripe; each has its own idempotency key."""

    CREATE = "create"
    CONFIRM = "confirm"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class RefundStatus(StrEnum):
    """What became of money that is to go back: `failed` is the operator's to pay by hand."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    PAID_BY_HAND = "paid_by_hand"


# What the messages carry


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
        """Whether its money is on the way: who finds it standing still is to carry it on."""
        return self.status is OrderStatus.AWAITING_PAYMENT or self.refunding


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt to take the money of one order; amount, currency and payment method never change.

    `refunding` while its money is to go back, and `disputed` is Stripe's word for how a dispute stands. `paid_by_hand`
    is who paid the buyer back another way after the refund failed.
    `intent_cancelled` when Stripe has said that nobody can pay the intent of this failed charge any more.
    `tries` names a step once for each new key that it needed; `capture_refusals` counts those after a refusal.
    """

    id: str
    order_id: str
    ticket_id: str
    buyer_id: str
    attempt: int
    amount: int
    currency: str
    payment_method: str = field(repr=False)
    status: ChargeStatus
    created_at: Instant
    updated_at: Instant
    version: int = 1
    stripe_id: str | None = None
    stripe_refund_id: str | None = None
    failure: str | None = None
    action_required: bool = False
    refunding: bool = False
    disputed: str | None = None
    tries: tuple[str, ...] = ()
    request: str | None = None
    intent_cancelled: bool = False
    paid_by_hand: str | None = None
    capture_refusals: int = 0

    @property
    def is_open(self) -> bool:
        """Whether Stripe may hold money for it that is neither taken nor given back."""
        return self.status in (ChargeStatus.CREATED, ChargeStatus.AUTHORISED) or self.refunding

    @property
    def is_payable(self) -> bool:
        """Whether it failed, and its intent can still be paid with the client secret until it is cancelled."""
        return self.status is ChargeStatus.FAILED and self.stripe_id is not None and not self.intent_cancelled

    @property
    def has_pending_money(self) -> bool:
        """Whether something is still to be done about it at Stripe, now or once its order is over."""
        return self.is_open or self.is_payable


# Commands to a ticket


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
    """Its seller may sell again: takes the mark away; what was withdrawn stays withdrawn."""

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


TicketCommand: TypeAlias = (
    CreateTicket
    | EditTicket
    | WithdrawTicket
    | SuspendTicket
    | ReinstateTicket
    | ReadTicket
    | ActivateTicket
    | Reserve
    | CancelOrder
    | StartPayment
    | ReadOrder
    | Sell
    | Release
    | CancelSale
    | StartRefund
    | AbandonRefund
    | Expire
    | JoinWaitingList
    | LeaveWaitingList
    | CloseWaitingList
)


# Commands to an order (its purchase)


@dataclass(frozen=True, slots=True)
class Pay:
    """Carries the payment of an order through; `request` names the client's attempt when it sent a key.

    Without a payment method it only goes on with an attempt that the buyer's bank asks about.
    """

    order_id: str
    payment_method: str | None = field(repr=False)
    request: str | None = None


@dataclass(frozen=True, slots=True)
class ResumePurchase:
    """Finishes a purchase that stood still, one way or the other.

    With `reconcile` Stripe is also asked about money that was settled before: it told of a refund or a dispute.
    """

    order_id: str
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """The seller gives the buyer the money back, and has the ticket for sale again.

    From an administrator it is for any order, also after the event began, and the ticket ends withdrawn.
    """

    order_id: str
    user_id: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class ResolveRefund:
    """The operator paid the buyer back another way, after the refund failed; `by` is who says so."""

    order_id: str
    by: str


PurchaseCommand: TypeAlias = Pay | ResumePurchase | RefundOrder | ResolveRefund


# Commands to a charge


@dataclass(frozen=True, slots=True)
class Authorise:
    """Asks Stripe to set the money of this attempt aside; creates the charge on first sight."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class Capture:
    charge_id: str


@dataclass(frozen=True, slots=True)
class ReverseCharge:
    """The money is not to be kept, and that is in the journal: void what is open, refund what was taken."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Asks Stripe what became of money that was taken: whether it was given back or is disputed."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class ReadCharge:
    """`fenced`: what is remembered is checked against the journal, since something is to rest on it."""

    charge_id: str
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class RecordPaidByHand:
    """The refund failed, and the operator paid the buyer back another way."""

    charge_id: str
    by: str


PaymentCommand: TypeAlias = Authorise | Capture | ReverseCharge | Reconcile | ReadCharge | RecordPaidByHand


# What PaymentActor tells its own charges, after Stripe answered


@dataclass(frozen=True, slots=True)
class OpenCharge:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ScheduleRetry:
    """Raises the number of tries of a step, before it is used in an idempotency key.

    `refused` when Stripe refused the try before, and not when it failed.
    """

    charge_id: str
    step: ChargeStep
    refused: bool = False


@dataclass(frozen=True, slots=True)
class RecordIntent:
    charge_id: str
    stripe_id: str


@dataclass(frozen=True, slots=True)
class RecordActionRequired:
    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordAuthorised:
    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordCaptured:
    """The money is taken; `refunding` when it is to go back because its order is over."""

    charge_id: str
    refunding: bool = False


@dataclass(frozen=True, slots=True)
class RecordFailed:
    charge_id: str
    failure: str


@dataclass(frozen=True, slots=True)
class RecordVoided:
    """Nobody can pay its intent any more. `without_intent` when there was none to cancel: refused if there is one."""

    charge_id: str
    without_intent: bool = False


@dataclass(frozen=True, slots=True)
class RecordIntentCancelled:
    """Stripe has cancelled the intent of a charge that failed."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordRefunding:
    """The money is to go back: noted before Stripe is asked."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class RecordRefundPending:
    """Stripe has the refund, and its end is open."""

    charge_id: str
    stripe_refund_id: str


@dataclass(frozen=True, slots=True)
class RecordRefunded:
    charge_id: str
    stripe_refund_id: str


@dataclass(frozen=True, slots=True)
class RecordRefundFailed:
    """The refund is refused or failed: the money is with us again."""

    charge_id: str
    failure: str


@dataclass(frozen=True, slots=True)
class RecordDispute:
    charge_id: str
    disputed: str


ChargeCommand: TypeAlias = (
    ReadCharge
    | OpenCharge
    | ScheduleRetry
    | RecordIntent
    | RecordActionRequired
    | RecordAuthorised
    | RecordCaptured
    | RecordFailed
    | RecordVoided
    | RecordIntentCancelled
    | RecordRefunding
    | RecordRefundPending
    | RecordRefunded
    | RecordRefundFailed
    | RecordPaidByHand
    | RecordDispute
)


# Events


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
class OrderCreated:
    order: Order


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """The buyer wants what was offered: from now on the order is like any other."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrderAwaitingPayment:
    order: Order


@dataclass(frozen=True, slots=True)
class OrderReopened:
    """A payment failed and another attempt is allowed: the order is `created` again and keeps its end."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrderCompleted:
    order: Order


@dataclass(frozen=True, slots=True)
class OrderRefunding:
    """The money of a complete order is to go back."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrderRefundFailed:
    """The money could not be given back: the order is complete as before."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    order: Order


@dataclass(frozen=True, slots=True)
class OrderExpired:
    order: Order


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
OrderEvent: TypeAlias = (
    OrderCreated
    | OfferAccepted
    | OrderAwaitingPayment
    | OrderReopened
    | OrderCompleted
    | OrderRefunding
    | OrderRefundFailed
    | OrderCancelled
    | OrderExpired
)
TicketEvent: TypeAlias = (
    TicketCreated | TicketUpdated | TicketWithdrawn | TicketSuspended | TicketReinstated | WaitingEvent | OrderEvent
)


@dataclass(frozen=True, slots=True)
class ChargeCreated:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeRetryScheduled:
    """A step is about to be tried again under a new idempotency key."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeIntentCreated:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeActionRequired:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeAuthorised:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeCompleted:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeFailed:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeVoided:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeIntentCancelled:
    """Nobody can pay the intent of this failed charge any more."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeRefunding:
    """Its money is to go back; with `stripe_refund_id` Stripe is on it."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeRefunded:
    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeRefundFailed:
    """The money is with us again, or still; `failure` says why."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargePaidByHand:
    """The refund failed, and the operator paid the buyer back another way."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class ChargeDisputed:
    """The buyer's bank asks for the money, or a dispute went on."""

    charge: Charge


ChargeEvent: TypeAlias = (
    ChargeCreated
    | ChargeRetryScheduled
    | ChargeIntentCreated
    | ChargeActionRequired
    | ChargeAuthorised
    | ChargeCompleted
    | ChargeFailed
    | ChargeVoided
    | ChargeIntentCancelled
    | ChargeRefunding
    | ChargeRefunded
    | ChargeRefundFailed
    | ChargePaidByHand
    | ChargeDisputed
)


Event: TypeAlias = TicketEvent | ChargeEvent | UserEvent | SecurityEvent


# Refusals: a rule said no; nothing was written


@dataclass(frozen=True, slots=True)
class Refusal:
    """The root of all refusals. A refusal is an answer, not an error."""


@dataclass(frozen=True, slots=True)
class NotFound(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class NotOwner(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class AlreadyReserved(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class AlreadySold(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class AlreadyWithdrawn(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class ShowStarted(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class SellerCannotBuy(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class NotReserved(Refusal):
    """Nobody holds the ticket, so there is nothing to wait for: it is for sale."""


@dataclass(frozen=True, slots=True)
class HeldByYou(Refusal):
    """Somebody who holds a ticket does not wait for it."""


@dataclass(frozen=True, slots=True)
class WaitingListFull(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class WaitingListOver(Refusal):
    """The seller closed the line, or may not sell any more: the next end of the hold offers the ticket to nobody."""


@dataclass(frozen=True, slots=True)
class PriceChanged(Refusal):
    price: int


@dataclass(frozen=True, slots=True)
class EditedSince(Refusal):
    """The seller edited the ticket after the version that the buyer saw."""


@dataclass(frozen=True, slots=True)
class VersionMismatch(Refusal):
    """The details are not those of the version that the edit is meant for."""


@dataclass(frozen=True, slots=True)
class TooManyHolds(Refusal):
    """The buyer holds as many tickets as one may; the first of these holds ends in so many seconds."""

    limit: int
    retry_after_seconds: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class HeldTooOften(Refusal):
    """The buyer held this ticket and did not pay, again and again; in so many seconds it is allowed again."""

    retry_after_seconds: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class TooManyUnpaidHolds(Refusal):
    """Too many holds of this buyer, of whatever tickets, ended unpaid; in so many seconds one more is allowed."""

    retry_after_seconds: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class RequestMismatch(Refusal):
    """The id was made by another request: an Idempotency-Key was used again for something else."""


@dataclass(frozen=True, slots=True)
class OrderClosed(Refusal):
    """The order does not hold the ticket (any more); its document says how it ended, if it ever was."""


@dataclass(frozen=True, slots=True)
class OrderComplete(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class OrderNotPaid(Refusal):
    """There is nothing to refund: the order holds its ticket but has not bought it."""


@dataclass(frozen=True, slots=True)
class WrongAmount(Refusal):
    pass


@dataclass(frozen=True, slots=True)
class AttemptOver(Refusal):
    """This attempt to pay failed or was abandoned: a late yes to it sells nothing."""


@dataclass(frozen=True, slots=True)
class PaymentInProgress(Refusal):
    """Another card is being charged for the order, and its outcome is not known yet."""


@dataclass(frozen=True, slots=True)
class NoPaymentMethod(Refusal):
    """No payment method was named, and the buyer's bank asks about no attempt that could go on."""


@dataclass(frozen=True, slots=True)
class InvalidTransition(Refusal):
    """The charge is past this step."""


@dataclass(frozen=True, slots=True)
class NotCapturable(Refusal):
    """The money that was set aside is no longer to be had, such as after Stripe's seven days."""


@dataclass(frozen=True, slots=True)
class RefundRefused(Refusal):
    """Stripe will not give the money back, such as while it is disputed; the sale stands."""


@dataclass(frozen=True, slots=True)
class RefundFailed(Refusal):
    """The order is over and its refund failed afterwards: the buyer is to be paid back another way."""


@dataclass(frozen=True, slots=True)
class NothingToResolve(Refusal):
    """No refund of the order has failed."""


@dataclass(frozen=True, slots=True)
class UnknownPaymentMethod(Refusal):
    """Stripe knows no such payment method; the order is left alone."""


@dataclass(frozen=True, slots=True)
class Overloaded(Refusal):
    """The mailbox is full; ask again later."""


@dataclass(frozen=True, slots=True)
class Unavailable(Refusal):
    """The outcome is not known in time: the database or the actor does not answer. Asking again is safe."""


# Answers


@dataclass(frozen=True, slots=True)
class Moved:
    """The ticket is not served here, so its other host is to be asked. It goes no further than `routing`."""


@dataclass(frozen=True, slots=True)
class ChargeAnswer:
    """A charge, and what a browser needs when the card wants 3-D Secure."""

    charge: Charge
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PaymentAnswer:
    """How a payment stands: the order, its charge, and what a browser needs when the card wants 3-D Secure."""

    order: Order
    charge: Charge
    client_secret: str | None = field(default=None, repr=False)
    fresh: bool = False
