"""The parameters of lists."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from actors.read_model.search_terms import folded
from serve_app.http.errors import RequestValidationError
from serve_app.http.paging import DEFAULT_LIMIT, LARGEST_LIMIT, position_in
from serve_app.schemas.body import Query
from serve_app.schemas.fields import PLACE_LENGTH, Category, is_clean

Sort: TypeAlias = Literal["newest", "price", "-price", "startsAt"]

_BOUND = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?")
_QUESTION_LENGTH = 200
_ID_DIGITS = 24
_DAMAGED = "is damaged or belongs to another list"


def _limit(text: object) -> int:
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,3}", text) and 1 <= int(text) <= LARGEST_LIMIT:
        return int(text)
    raise ValueError(f"must be a whole number from 1 to {LARGEST_LIMIT}")


def _bound(text: object) -> int:
    found = _BOUND.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("must be an amount such as 12.50")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def _folded(text: object) -> object:
    return folded(text) if isinstance(text, str) else text


def _words(text: str) -> str:
    if len(text) > _QUESTION_LENGTH or not is_clean(text):
        raise ValueError(f"must have at most {_QUESTION_LENGTH} characters and no control characters")
    return text


def _position(cursor: str, info: ValidationInfo) -> str:
    return _position_in(cursor, info.data.get("sort", "newest"))


def _position_in_history(cursor: str) -> str:
    return _position_in(cursor, "history")


def _position_in_failed_refunds(cursor: str) -> str:
    return _position_in(cursor, "failedRefunds")


def _position_in_endpoints(cursor: str) -> str:
    return _position_in(cursor, "webhookEndpoints")


def _position_in_deliveries(cursor: str) -> str:
    return _position_in(cursor, "deliveries")


def _position_in(cursor: str, sort: str) -> str:
    try:
        return position_in(cursor, sort)
    except ValueError:
        raise ValueError(_DAMAGED) from None


_AMOUNT = WithJsonSchema({"type": "number", "minimum": 0})

Limit = Annotated[
    int, BeforeValidator(_limit), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT})
]
# After validation it is the position that the cursor carried.
Cursor = Annotated[str, AfterValidator(_position), WithJsonSchema({"type": "string"})]
HistoryCursor = Annotated[str, AfterValidator(_position_in_history), WithJsonSchema({"type": "string"})]
FailedRefundCursor = Annotated[str, AfterValidator(_position_in_failed_refunds), WithJsonSchema({"type": "string"})]
EndpointCursor = Annotated[str, AfterValidator(_position_in_endpoints), WithJsonSchema({"type": "string"})]
DeliveryCursor = Annotated[str, AfterValidator(_position_in_deliveries), WithJsonSchema({"type": "string"})]
AnyCaseCategory = Annotated[Category, BeforeValidator(_folded)]
Bound = Annotated[int, BeforeValidator(_bound), _AMOUNT]
Words = Annotated[str, AfterValidator(_words), WithJsonSchema({"type": "string", "maxLength": PLACE_LENGTH})]


class TicketSearch(Query):
    """Which tickets, in which order. Bounds are cents inside, inclusive; all conditions must hold."""

    q: Words | None = None
    category: AnyCaseCategory | None = None
    city: Words | None = None
    min_price: Bound | None = Field(default=None, alias="minPrice")
    max_price: Bound | None = Field(default=None, alias="maxPrice")
    sort: Sort = "newest"
    seller: Literal["me"] | None = None
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class OrderSearch(Query):
    """Which part of the list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class FailedRefundSearch(Query):
    """Which part of the list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: FailedRefundCursor | None = None


class EndpointSearch(Query):
    """Which part of the list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: EndpointCursor | None = None


class DeliverySearch(Query):
    """Which part of the list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: DeliveryCursor | None = None


class HistorySearch(Query):
    """Which part of a ticket's past."""

    limit: Limit = DEFAULT_LIMIT
    cursor: HistoryCursor | None = None

    def after(self, ticket_id: str) -> int:
        """Return the version after which the page begins. Raises RequestValidationError for another ticket's cursor."""
        if self.cursor is None:
            return 0
        version, of_ticket = self.cursor[:-_ID_DIGITS], self.cursor[-_ID_DIGITS:]
        if of_ticket != ticket_id:
            raise RequestValidationError({"cursor": _DAMAGED})
        return int(version)
