"""What Stripe answers when it does not do what was asked (https://docs.stripe.com/api/errors)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer: the HTTP status and the fields of Stripe's `error` object."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None
    decline_code: str | None = None
    charge: str | None = None


class RequestRefused(Exception):  # noqa: N818  # named for what happened
    """A request ends here with this failure, before it could change anything. Its answer is not saved."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> Failure:
    """The parameters or the object's state do not allow the request: 400."""
    return Failure(400, "invalid_request_error", message, code, param)


def unexpected_state(message: str) -> Failure:
    """The intent's status does not allow the operation: 400."""
    return invalid(message, code="payment_intent_unexpected_state")


def not_found(kind: str, param: str) -> Failure:
    """No such object: 404."""
    return Failure(404, "invalid_request_error", f"No such {kind}", "resource_missing", param)


def no_such_payment_method(param: str) -> Failure:
    """The payment method or token is not one of the test cards. Unlike Stripe we do not echo it."""
    return invalid("No such PaymentMethod", code="resource_missing", param=param)


UNKNOWN_ROUTE = Failure(404, "invalid_request_error", "Unrecognized request URL")
NO_API_KEY = Failure(
    401,
    "invalid_request_error",
    "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth.",
)
WRONG_API_KEY = Failure(401, "invalid_request_error", "Invalid API Key provided: the sandbox takes test keys only")
PUBLISHABLE_KEY = Failure(
    401,
    "invalid_request_error",
    "This API call cannot be made with a publishable API key. Please use a secret API key.",
    "secret_key_required",
)
WRONG_CLIENT_SECRET = invalid(
    "The client_secret provided does not match the client_secret associated with this PaymentIntent.",
    param="client_secret",
)
USED_BEFORE = invalid(
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use "
    "a PaymentMethod multiple times, you must attach it to a Customer first."
)
KEY_TOO_LONG = invalid("Idempotency keys must be at most 255 characters long")
KEY_WITH_OTHER_PARAMETERS = Failure(
    400,
    "idempotency_error",
    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
    "Try using another key if you meant to execute a different request.",
)
KEY_WITH_OTHER_ENDPOINT = Failure(
    400,
    "idempotency_error",
    "Keys for idempotent requests can only be used for the same endpoint they were first used for. "
    "Try using another key if you meant to execute a different request.",
)
TOO_MANY_REQUESTS = Failure(
    429,
    "invalid_request_error",
    "Request rate limit exceeded. You can learn more about rate limits here https://docs.stripe.com/rate-limits.",
    "rate_limit",
)
SERVER_ERROR = Failure(
    500, "api_error", "Sorry! There was an error while talking to one of our backends. Support has been notified."
)
KEY_IN_USE = Failure(
    409,
    "idempotency_error",
    "There is currently another in-progress request using this Idempotency-Key. "
    "Please try again later, or use another key.",
    "idempotency_key_in_use",
)
