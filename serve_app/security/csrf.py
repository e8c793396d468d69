"""Requests that another site made a browser send change nothing (OWASP, CSRF Prevention, Fetch Metadata)."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.http.errors import ForbiddenError
from serve_app.security.bearer import bearer_of
from serve_app.web.errors import response_of

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


class CsrfMiddleware:
    """Answers 403 to other origins. Programs send neither header and pass: they carry no browser's cookies.

    Paths in `exempt` are asked by others' servers, and believe a signature instead of a cookie. So does a request with
    an access token, which no browser adds by itself: its cookies are not read.
    """

    def __init__(self, app: ASGIApp, public_url: str, exempt: frozenset[str]) -> None:
        self._app = app
        self._origin = _origin_of(public_url)
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it changes something and comes from elsewhere."""
        if self._is_allowed(scope):
            await self._app(scope, receive, send)
        else:
            error = ForbiddenError("This request came from another site.")
            await response_of(Request(scope), error)(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS or scope["path"] in self._exempt:
            return True
        return bearer_of(scope) is not None or self._is_own(Headers(scope=scope))

    def _is_own(self, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        # The address that the browser used is its own origin: 127.0.0.1 works as well as localhost.
        host = headers.get("host", "").lower()
        return origin.lower() in {self._origin, f"http://{host}", f"https://{host}"}


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
