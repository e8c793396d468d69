"""Waiting for a ticket as clients send and see it."""

from pydantic import Field
from typing_extensions import TypedDict

from serve_app.schemas.body import Body
from serve_app.schemas.fields import OptionalPrice


class WaitingBody(Body):
    """With `maxPrice` the ticket is offered only if it costs no more than that; without it at any price."""

    max_price: OptionalPrice = Field(default=None, alias="maxPrice")


class WaitingView(TypedDict):
    """A place in line, the first is 1."""

    ticketId: str
    place: int


def waiting_view(ticket_id: str, place: int) -> WaitingView:
    """Return what somebody sees who waits."""
    return {"ticketId": ticket_id, "place": place}
