"""What can go wrong with a request to Stripe, one class per thing the caller does differently.

`definite` says whether Stripe is known to have refused. After a definite failure the request changed
nothing that the class does not name; after an indefinite one it may or may not have been carried out,
and only repeating it under the same idempotency key, or retrieving the intent, tells.

No message or repr holds an API key, an idempotency key, a payment method or a client secret: Stripe's own
texts echo what was sent ("No such PaymentMethod: …"), so only its codes and its request id are kept.
"""

from typing import ClassVar

import stripe

# Codes that mean "the object is in another state than this operation needs" (https://docs.stripe.com/error-codes).
STATE_CODES = frozenset(
    {
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_expired_for_capture",
        "charge_not_refundable",
        "intent_invalid_state",
        "payment_intent_unexpected_state",
    }
)
# Codes that say of a payment method that there is no such one; any other says that it cannot be used.
UNKNOWN_CODES = frozenset({"resource_missing", "parameter_invalid_empty", "parameter_invalid_string_empty"})
CONFLICT = 409


class StripeFailure(Exception):  # noqa: N818  # its subclasses are named for what happened
    """A request to Stripe did not succeed. `code` and `request_id` are Stripe's, safe to log and show to operators."""

    definite: ClassVar[bool]

    def __init__(self, code: str | None = None, request_id: str | None = None) -> None:
        super().__init__(code, request_id)
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{type(self).__name__} (code {self.code}, request {self.request_id})"

    __repr__ = __str__


class CardDeclined(StripeFailure):
    """Definite. The issuer or Stripe declined the card; the intent is back in requires_payment_method."""

    definite = True

    def __init__(self, code: str | None, decline_code: str | None, request_id: str | None = None) -> None:
        super().__init__(code, request_id)
        self.args = (code, decline_code, request_id)
        self.decline_code = decline_code


class UnknownPaymentMethod(StripeFailure):
    """Definite. There is no such payment method or token: a mistake of whoever named it. Nothing was charged."""

    definite = True


class InvalidState(StripeFailure):
    """Definite. The intent's state does not allow the operation, such as the capture of a cancelled one."""

    definite = True


class KeyReused(StripeFailure):
    """Definite for this request: the key belongs to a request with other parameters or to another endpoint."""

    definite = True


class NotFound(StripeFailure):
    """Definite. Stripe has no such object under this API key."""

    definite = True


class AuthenticationFailed(StripeFailure):
    """Definite. Stripe does not accept the API key (401), or a restricted one may not do this (403).

    It says nothing of the buyer's card: nobody can pay until an operator changes the key.
    """

    definite = True


class RateLimited(StripeFailure):
    """Definite. Stripe did not begin the request, and did not save an answer: repeat later with the same key."""

    definite = True


class Rejected(StripeFailure):
    """Definite. Stripe refused the request for any other reason.

    Such as an amount below its minimum, or a payment method that exists and cannot be used, as after its one use.
    """

    definite = True


class OutcomeUnknown(StripeFailure):
    """Not definite: a timeout, a broken connection, a 5xx, or another request holds the same key (409)."""

    definite = False


class ServerFailed(OutcomeUnknown):
    """Not definite. Stripe answered a 5xx, saves that answer under the key and replays it: repeat with a new key."""


# What each class of the SDK is to us; the classes that are not here depend on more than their type.
KINDS: tuple[tuple[type[stripe.StripeError], type[StripeFailure]], ...] = (
    (stripe.RateLimitError, RateLimited),
    (stripe.IdempotencyError, KeyReused),
    (stripe.AuthenticationError, AuthenticationFailed),
    (stripe.PermissionError, AuthenticationFailed),
)


def failure_of(error: stripe.StripeError) -> StripeFailure:
    """Our failure for an error of the SDK.

    An answer that is not in Stripe's error shape came from something between us and Stripe, so it proves nothing.
    """
    request_id = error.request_id
    if error.error is None:
        return OutcomeUnknown(None, request_id)
    code = error.error.code
    if isinstance(error, stripe.CardError):
        return CardDeclined(code, error.error.decline_code, request_id)
    for sdk_class, kind in KINDS:
        if isinstance(error, sdk_class):
            return kind(code, request_id)
    if isinstance(error, stripe.InvalidRequestError):
        return _invalid_request(code, error.param or "")(code, request_id)
    return _by_status(error.http_status)(code, request_id)


def _by_status(status: int | None) -> type[StripeFailure]:
    if status is None or status == CONFLICT:
        return OutcomeUnknown
    return Rejected if status in range(400, 500) else ServerFailed


def _invalid_request(code: str | None, param: str) -> type[StripeFailure]:
    if code in STATE_CODES:
        return InvalidState
    if code in UNKNOWN_CODES and param.startswith(("payment_method", "confirmation_token")):
        return UnknownPaymentMethod
    return NotFound if code == "resource_missing" else Rejected
