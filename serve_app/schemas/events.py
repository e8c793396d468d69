"""What a program says of the events that it wants to hear."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from holdfast.events import StreamPosition, Subjects
from serve_app.http.errors import RequestValidationError
from serve_app.schemas.body import Query

_LONGEST = 500
_ALL = ">"
LAST_EVENT_ID = "Last-Event-ID"


def _checked(text: str) -> str:
    if len(text) > _LONGEST:
        raise ValueError(f"must have at most {_LONGEST} characters")
    try:
        Subjects(text.split(","))
    except ValueError:
        raise ValueError("must be subjects such as order.* or ticket.sold, separated by commas") from None
    return text


class EventSearch(Query):
    """Which events."""

    subjects: Annotated[
        str,
        AfterValidator(_checked),
        WithJsonSchema({"type": "string", "maxLength": _LONGEST, "examples": ["order.*,ticket.sold"]}),
    ] = Field(default=_ALL)

    def wanted(self) -> Subjects:
        """Return the subjects."""
        return Subjects(self.subjects.split(","))


def position_of(last_event_id: str | None) -> StreamPosition | None:
    """Return the position with which a program comes back, None without one. Raises RequestValidationError."""
    if not last_event_id:
        return None
    try:
        return StreamPosition.decode(last_event_id)
    except ValueError:
        sentence = f"{LAST_EVENT_ID} must be the id of an event of this stream; without it the stream begins now."
        raise RequestValidationError({"": sentence}) from None
