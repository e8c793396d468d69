"""Lists may lag by moments for what other people change, never for what one changed oneself.

A client that changed something gets a cookie that lasts longer than any list that is kept. With that cookie every
replica reads lists anew. For clients that keep the session cookie only, the replicas remember it.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.accounts.changed_users import REMEMBERED_SECONDS
from serve_app.http.errors import DatabaseConnectionError
from serve_app.security.bearer import bearer_of
from serve_app.security.cookies import cookie_name
from serve_app.services import services_of

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_COOKIE = "changed"
_ATTRIBUTES = f"Max-Age={REMEMBERED_SECONDS}; Path=/; HttpOnly; SameSite=Lax"
_API = "/api/"
_WHAT_LISTS_SHOW = ("/api/tickets", "/api/orders", "/api/payments")


class ReadYourWrites:
    """Gives a cookie to clients that change something, but for those with an access token."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        cookie = f"{cookie_name(_COOKIE, public_url)}=1; {_ATTRIBUTES}"
        self._header = (b"set-cookie", (f"{cookie}; Secure" if public_url.startswith("https://") else cookie).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; when it changed something its answer sets the cookie."""
        if not _may_change_lists(scope):
            await self._app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < HTTPStatus.BAD_REQUEST:
                _note(Request(scope))
                if bearer_of(scope) is None:
                    message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _may_change_lists(scope: Scope) -> bool:
    """Whether lists may show what the request does: any form of a page, and these parts of the API."""
    if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
        return False
    return scope["path"].startswith(_WHAT_LISTS_SHOW) or not scope["path"].startswith(_API)


def _note(request: Request) -> None:
    user_id = _user_of(request)
    if user_id is not None:
        services_of(request).changed_users.note(user_id)


def must_read_own_writes(request: Request) -> bool:
    """Whether who asks changed something a moment ago: the cookie says so, or a replica told of the session's user."""
    services, user_id = services_of(request), _user_of(request)
    if user_id is not None and services.changed_users.has_changed(user_id):
        return True
    return cookie_name(_COOKIE, services.settings.public_url) in request.cookies


def _user_of(request: Request) -> str | None:
    try:
        session = services_of(request).sessions.current(request)
    except DatabaseConnectionError:
        return None  # the token is over and nobody knows whose session it is; lists need none
    return session.user_id if session is not None else None
