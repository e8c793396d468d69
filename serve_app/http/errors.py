"""The errors of the HTTP edge: one small class per rule. `error_responses.py` turns them into responses."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar, NotRequired, Self

from typing_extensions import TypedDict


class ErrorEntry(TypedDict):
    """One thing that is wrong: a sentence, and the field or parameter that it is about."""

    message: str
    field: NotRequired[str]


class Errors(TypedDict):
    """The body of every error response."""

    errors: list[ErrorEntry]


class CustomError(Exception, ABC):
    """The root of the errors that a client is told about. Its texts are ours: they never repeat the input."""

    status_code: ClassVar[int]
    retry_after_seconds: int | None = None

    def __new__(cls, *_arguments: object, **_named: object) -> Self:
        """Refuse to make an error of no particular rule: exceptions do not enforce abstract methods by themselves."""
        if inspect.isabstract(cls):
            raise TypeError(f"{cls.__name__} is abstract")
        return super().__new__(cls)

    @abstractmethod
    def serialize_errors(self) -> list[ErrorEntry]:
        """Return what is wrong, one entry per field."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response: `Retry-After` in seconds where asking again later makes sense."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


class RequestValidationError(CustomError):
    """The request has the wrong shape. Maps each wrong field to what it must be."""

    status_code = HTTPStatus.BAD_REQUEST

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields

    def serialize_errors(self) -> list[ErrorEntry]:
        """Return one entry per wrong field."""
        return [
            {"message": f"{field} {rule}.", "field": field} if field else {"message": rule}
            for field, rule in self.fields.items()
        ]


class _OneSentenceError(CustomError):
    """An error that one sentence explains."""

    def __init__(self, message: str, *, field: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds

    def serialize_errors(self) -> list[ErrorEntry]:
        """Return the one sentence, with its field if it has one."""
        return [{"message": self.message} if self.field is None else {"message": self.message, "field": self.field}]


class NotAuthorizedError(_OneSentenceError):
    """Nobody is signed in, or the credentials are wrong."""

    status_code = HTTPStatus.UNAUTHORIZED

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class InvalidTokenError(NotAuthorizedError):
    """The access token does not hold; which of its faults it is, nobody is told (RFC 6750, section 3.1)."""

    def __init__(self) -> None:
        super().__init__("This access token is not valid, or not any more.")

    @property
    def headers(self) -> dict[str, str]:
        """The challenge that tells programs to get another token."""
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class PaymentDeclinedError(_OneSentenceError):
    """The card was declined."""

    status_code = HTTPStatus.PAYMENT_REQUIRED


class ForbiddenError(_OneSentenceError):
    """It belongs to somebody else, or another site sent the request."""

    status_code = HTTPStatus.FORBIDDEN


class InsufficientScopeError(ForbiddenError):
    """The access token may not do this. `scope` names what would be enough, None where no token is."""

    def __init__(self, message: str, *, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        """The challenge of RFC 6750, section 3.1."""
        challenge = 'Bearer error="insufficient_scope"'
        return {"WWW-Authenticate": challenge if self.scope is None else f'{challenge}, scope="{self.scope}"'}


class NotFoundError(_OneSentenceError):
    """There is no such thing."""

    status_code = HTTPStatus.NOT_FOUND

    def __init__(self, message: str = "There is nothing here.") -> None:
        super().__init__(message)


class RequestTimeoutError(_OneSentenceError):
    """The body did not arrive in time."""

    status_code = HTTPStatus.REQUEST_TIMEOUT


class ConflictError(_OneSentenceError):
    """The state of the ticket, the order or the account does not allow it."""

    status_code = HTTPStatus.CONFLICT


class PreconditionFailedError(_OneSentenceError):
    """The thing is another one by now than the one that `If-Match` names."""

    status_code = HTTPStatus.PRECONDITION_FAILED


class PayloadTooLargeError(_OneSentenceError):
    """The body is over the limit."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaTypeError(_OneSentenceError):
    """The body is not declared as JSON."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TooManyRequestsError(_OneSentenceError):
    """A limit is used up; `retry_after_seconds` says for how many seconds, when that is known."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS


class ServiceUnavailableError(_OneSentenceError):
    """Something that the request needs does not answer, or is busy. Asking again is safe."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_seconds = 1

    def __init__(
        self,
        message: str = "The market is busy. Try again in a moment; nothing happens twice.",
        *,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)


class DatabaseConnectionError(ServiceUnavailableError):
    """The database does not answer."""

    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("The database does not answer. Try again in a moment; nothing happens twice.")
