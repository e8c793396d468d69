"""The waiting list of a ticket."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from serve_app.buying import waiting
from serve_app.buying.orders import admit_buyer
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response, no_content
from serve_app.schemas.waiting import WaitingBody, WaitingView, waiting_view
from serve_app.selling.tickets import admit_change
from serve_app.services import services_of

router = APIRouter(prefix="/api/tickets/{ticket_id}/waiting", tags=["waiting list"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_OF_PEOPLE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, _UNAVAILABLE)
_OF_CHANGES = (*_OF_PEOPLE, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


@router.post(
    "",
    **documented(
        {HTTPStatus.CREATED: WaitingView, HTTPStatus.OK: WaitingView},
        (*_OF_CHANGES, HTTPStatus.CONFLICT),
        body=WaitingBody,
        signed_in=True,
        scope="buy",
    ),
)
async def join_waiting_list(request: Request, ticket_id: str) -> Response:
    """Wait for a ticket that somebody else holds: when they let go, the first in line has an order of their own.

    A repeat keeps the place, and sets the new `maxPrice`.
    """
    services = services_of(request)
    user_id = await admit_buyer(request)
    body = WaitingBody.of(await read_json(request), services.rules())
    joined = await waiting.join(services, user_id, ticket_id, body)
    view = waiting_view(ticket_id, joined.place)
    return json_response(view, HTTPStatus.CREATED if joined.is_new else HTTPStatus.OK)


@router.get("", **documented({HTTPStatus.OK: WaitingView}, _OF_PEOPLE, signed_in=True, scope="read"))
async def read_place(request: Request, ticket_id: str) -> Response:
    """Return one's own place in line; 404 for somebody who does not wait."""
    services = services_of(request)
    user_id = services.sessions.require(request).user_id
    return json_response(waiting_view(ticket_id, await waiting.place_of(services, user_id, ticket_id)))


@router.delete("", **documented({HTTPStatus.NO_CONTENT: None}, _OF_CHANGES, signed_in=True, scope="buy"))
async def leave_waiting_list(request: Request, ticket_id: str) -> Response:
    """Leave the line; a repeat is fine."""
    user_id = admit_change(request)
    await waiting.leave(services_of(request), user_id, ticket_id)
    return no_content()


@router.post("/close", **documented({HTTPStatus.NO_CONTENT: None}, _OF_CHANGES, signed_in=True, scope="sell"))
async def close_waiting_list(request: Request, ticket_id: str) -> Response:
    """Send everybody away who waits, as the seller: the next end of the hold has the ticket for sale."""
    user_id = admit_change(request)
    await waiting.close(services_of(request), user_id, ticket_id)
    return no_content()
