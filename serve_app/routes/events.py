"""What happens, as a stream for programs."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from serve_app.events.frames import frames
from serve_app.http.openapi import EVENT_STREAM, documented
from serve_app.schemas.events import LAST_EVENT_ID, EventSearch, position_of
from serve_app.services import services_of

router = APIRouter(tags=["events"])
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/api/events",
    **documented(
        {HTTPStatus.OK: EVENT_STREAM},
        (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
        query=EventSearch,
        signed_in=True,
        scope="read",
        resumable=True,
    ),
)
async def listen(request: Request) -> Response:
    """Stream the caller's own orders and public changes of tickets as server-sent events, in CloudEvents' JSON format.

    It ends after a minute: come back with `Last-Event-ID`, as `EventSource` does, and nothing is missed. After the
    event `gap` something may be missing: read anew what you show. An event may come twice: its `id` is the same.
    """
    services = services_of(request)
    session = services.sessions.require(request)
    search = EventSearch.of(request.query_params, services.rules())
    after = position_of(request.headers.get(LAST_EVENT_ID))
    address = services.address_of(request)
    services.limits.stream(session.user_id, address)
    lifetime_seconds = (session.expires_at - services.clock()) / 1_000
    listener = services.events.open(session, address, search.wanted(), after=after, lifetime_seconds=lifetime_seconds)
    return StreamingResponse(frames(services.events, listener), media_type="text/event-stream", headers=_HEADERS)
