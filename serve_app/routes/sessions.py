"""One's own sessions: seeing them, and ending one from another."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from serve_app.accounts import sessions
from serve_app.http.openapi import documented
from serve_app.http.responses import json_response, no_content
from serve_app.schemas.users import SessionView, session_view
from serve_app.services import services_of

router = APIRouter(prefix="/api/users/sessions", tags=["users"])


@router.get(
    "",
    **documented(
        {HTTPStatus.OK: list[SessionView]},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE),
        signed_in=True,
        scope=None,
    ),
)
async def list_sessions(request: Request) -> Response:
    """List where one is signed in, the session that was seen last first."""
    services = services_of(request)
    session = services.sessions.require(request)
    records = await services.sessions.of_user(session.user_id)
    return json_response([session_view(record, session.id) for record in records])


@router.delete(
    "/{session_id}",
    **documented(
        {HTTPStatus.NO_CONTENT: None},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
        signed_in=True,
        scope=None,
    ),
)
async def end_session(request: Request, session_id: str) -> Response:
    """End one of one's sessions for good, at once and everywhere."""
    services = services_of(request)
    session = services.sessions.require(request)
    await sessions.end_session(services, session.user_id, session_id)
    return no_content()
