"""Every request is recognised once: whose it is, and whether its token is to be renewed."""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.accounts.session_cookies import Sessions


class AuthenticationMiddleware:
    """Notes the session in the request's scope, and sends a renewed token with the response."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            renewal = await self._sessions.authenticate(HTTPConnection(scope))
            if renewal is not None:
                send = _with([header for header in renewal.raw_headers if header[0] == b"set-cookie"], send)
        await self._app(scope, receive, send)


def _with(headers: list[tuple[bytes, bytes]], send: Send) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            # Before the response's own, so that signing out has the last word.
            message["headers"] = [*headers, *message.get("headers", ())]
        await send(message)

    return add
