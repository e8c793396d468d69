"""What a person is told for each refusal of the actors. A refusal that is missing here fails a test."""

from collections.abc import Callable
from typing import Any

from actors.domain import messages
from actors.domain.messages import (
    EditedSince,
    HeldTooOften,
    PriceChanged,
    Refusal,
    TooManyHolds,
    TooManyUnpaidHolds,
)
from actors.domain.money import format_amount
from serve_app.http.errors import (
    ConflictError,
    CustomError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    RequestValidationError,
    ServiceUnavailableError,
    TooManyRequestsError,
)


def _price_changed(refusal: PriceChanged) -> CustomError:
    return ConflictError(
        f"The seller changed the price before you had the ticket. The price is now {format_amount(refusal.price)}",
        field="expectedPrice",
    )


def _too_many_holds(refusal: TooManyHolds) -> CustomError:
    return TooManyRequestsError(
        f"You already hold {refusal.limit} tickets that are not paid yet. Pay for one or cancel it first.",
        retry_after=refusal.retry_after_seconds,
    )


def _held_too_often(refusal: HeldTooOften) -> CustomError:
    return TooManyRequestsError(
        "You held this ticket several times without paying. Leave it to others for a while.",
        field="ticketId",
        retry_after=refusal.retry_after_seconds,
    )


def _too_many_unpaid_holds(refusal: TooManyUnpaidHolds) -> CustomError:
    return TooManyRequestsError(
        "You held many tickets without paying. Try again later.", retry_after=refusal.retry_after_seconds
    )


def _edited_since(_: EditedSince) -> CustomError:
    return ConflictError(
        "The seller edited the ticket after you saw it. Look at it again before you buy.", field="expectedVersion"
    )


# Within so many seconds some hold ends, and with it somebody's wait.
_LINE_SECONDS = 600


def _conflict(message: str) -> Callable[[Any], CustomError]:
    return lambda _: ConflictError(message)


_ERRORS: dict[type[Refusal], Callable[[Any], CustomError]] = {
    messages.NotFound: lambda _: NotFoundError("There is no such ticket or order."),
    messages.NotOwner: lambda _: ForbiddenError("This belongs to somebody else."),
    messages.AlreadyReserved: _conflict("Somebody holds this ticket. It is for sale again if they let go."),
    messages.AlreadySold: _conflict("This ticket is sold."),
    messages.AlreadyWithdrawn: _conflict("The seller has withdrawn this ticket."),
    messages.ShowStarted: _conflict("The event has begun."),
    messages.SellerCannotBuy: _conflict("This is your own ticket."),
    messages.NotReserved: _conflict("Nobody holds this ticket: it is for sale, and you can buy it now."),
    messages.HeldByYou: _conflict("You hold this ticket yourself."),
    messages.WaitingListFull: lambda _: TooManyRequestsError(
        "Many people wait for this ticket already. Look again later.", retry_after=_LINE_SECONDS
    ),
    messages.WaitingListOver: _conflict("The seller takes nobody else into the waiting list for this ticket."),
    messages.PriceChanged: _price_changed,
    messages.EditedSince: _edited_since,
    messages.VersionMismatch: lambda _: PreconditionFailedError(
        "The ticket was edited since the version in If-Match. Read it again before you edit it."
    ),
    messages.TooManyHolds: _too_many_holds,
    messages.HeldTooOften: _held_too_often,
    messages.TooManyUnpaidHolds: _too_many_unpaid_holds,
    messages.RequestMismatch: _conflict("This was asked before with other values: use a new Idempotency-Key."),
    messages.OrderClosed: _conflict("This order is over."),
    messages.OrderComplete: _conflict("This order is paid and complete."),
    messages.OrderNotPaid: _conflict("This order is not paid: there is nothing to refund."),
    messages.NotCapturable: _conflict("The payment can no longer be collected."),
    messages.RefundRefused: _conflict("Stripe does not give this payment back now. The sale stands."),
    messages.RefundFailed: _conflict(
        "The refund failed at the buyer's bank after it was made. The operator pays the buyer another way."
    ),
    messages.NothingToResolve: _conflict("No refund of this order has failed."),
    messages.WrongAmount: _conflict("The amount is not the price of this order."),
    messages.AttemptOver: _conflict("This attempt to pay is over."),
    messages.PaymentInProgress: lambda _: ConflictError(
        "Another card is being charged for this order. Ask again when that is decided.", field="paymentMethod"
    ),
    messages.NoPaymentMethod: lambda _: RequestValidationError({"paymentMethod": "is required"}),
    messages.InvalidTransition: _conflict("The payment is past this step."),
    messages.UnknownPaymentMethod: lambda _: RequestValidationError({"paymentMethod": "is not known to Stripe"}),
    messages.Overloaded: lambda _: ServiceUnavailableError(),
    messages.Unavailable: lambda _: ServiceUnavailableError(
        "The answer did not come in time. Ask again with the same Idempotency-Key, or look at the order."
    ),
}


def error_of(refusal: Refusal) -> CustomError:
    """Return the error that says this refusal to a person."""
    return _ERRORS[type(refusal)](refusal)
