"""What a person is told for each refusal of the actors. A refusal that is missing here fails a test."""

from collections.abc import Callable
from typing import Any

from actors.domain import refusals
from actors.domain.money import format_amount
from actors.domain.refusals import EditedSince, HeldTooOften, PriceChanged, Refusal, TooManyHolds, TooManyUnpaidHolds
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
        retry_after_seconds=refusal.retry_after_seconds,
    )


def _held_too_often(refusal: HeldTooOften) -> CustomError:
    return TooManyRequestsError(
        "You held this ticket several times without paying. Leave it to others for a while.",
        field="ticketId",
        retry_after_seconds=refusal.retry_after_seconds,
    )


def _too_many_unpaid_holds(refusal: TooManyUnpaidHolds) -> CustomError:
    return TooManyRequestsError(
        "You held many tickets without paying. Try again later.", retry_after_seconds=refusal.retry_after_seconds
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
    refusals.NotFound: lambda _: NotFoundError("There is no such ticket or order."),
    refusals.NotOwner: lambda _: ForbiddenError("This belongs to somebody else."),
    refusals.AlreadyReserved: _conflict("Somebody holds this ticket. It is for sale again if they let go."),
    refusals.AlreadySold: _conflict("This ticket is sold."),
    refusals.AlreadyWithdrawn: _conflict("The seller has withdrawn this ticket."),
    refusals.ShowStarted: _conflict("The event has begun."),
    refusals.SellerCannotBuy: _conflict("This is your own ticket."),
    refusals.NotReserved: _conflict("Nobody holds this ticket: it is for sale, and you can buy it now."),
    refusals.HeldByYou: _conflict("You hold this ticket yourself."),
    refusals.WaitingListFull: lambda _: TooManyRequestsError(
        "Many people wait for this ticket already. Look again later.", retry_after_seconds=_LINE_SECONDS
    ),
    refusals.WaitingListOver: _conflict("The seller takes nobody else into the waiting list for this ticket."),
    refusals.PriceChanged: _price_changed,
    refusals.EditedSince: _edited_since,
    refusals.VersionMismatch: lambda _: PreconditionFailedError(
        "The ticket was edited since the version in If-Match. Read it again before you edit it."
    ),
    refusals.TooManyHolds: _too_many_holds,
    refusals.HeldTooOften: _held_too_often,
    refusals.TooManyUnpaidHolds: _too_many_unpaid_holds,
    refusals.RequestMismatch: _conflict("This was asked before with other values: use a new Idempotency-Key."),
    refusals.OrderClosed: _conflict("This order is over."),
    refusals.OrderComplete: _conflict("This order is paid and complete."),
    refusals.OrderNotPaid: _conflict("This order is not paid: there is nothing to refund."),
    refusals.NotCapturable: _conflict("The payment can no longer be collected."),
    refusals.RefundRefused: _conflict("Stripe does not give this payment back now. The sale stands."),
    refusals.RefundFailed: _conflict(
        "The refund failed at the buyer's bank after it was made. The operator pays the buyer another way."
    ),
    refusals.NothingToResolve: _conflict("No refund of this order has failed."),
    refusals.WrongAmount: _conflict("The amount is not the price of this order."),
    refusals.AttemptOver: _conflict("This attempt to pay is over."),
    refusals.PaymentInProgress: lambda _: ConflictError(
        "Another card is being charged for this order. Ask again when that is decided.", field="paymentMethod"
    ),
    refusals.NoPaymentMethod: lambda _: RequestValidationError({"paymentMethod": "is required"}),
    refusals.InvalidTransition: _conflict("The payment is past this step."),
    refusals.UnknownPaymentMethod: lambda _: RequestValidationError({"paymentMethod": "is not known to Stripe"}),
    refusals.Overloaded: lambda _: ServiceUnavailableError(),
    refusals.Unavailable: lambda _: ServiceUnavailableError(
        "The answer did not come in time. Ask again with the same Idempotency-Key, or look at the order."
    ),
}


def error_of(refusal: Refusal) -> CustomError:
    """Return the error that says this refusal to a person."""
    return _ERRORS[type(refusal)](refusal)
