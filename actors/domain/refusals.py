"""A rule said no, and nothing was written. A refusal is an answer, not an error."""

from dataclasses import dataclass, field


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
