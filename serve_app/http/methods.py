"""HEAD and OPTIONS for every address (RFC 9110, sections 9.3.2 and 9.3.7): routes say GET and nothing of these."""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> list[str]:
    """Return what can be asked of this address; nothing when there is none."""
    methods = {
        method
        for route in routes
        if isinstance(route, Route) and route.path_regex.match(path)
        for method in route.methods or ()
    }
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods | {"OPTIONS"}) if methods else []


class Methods:
    """Answers HEAD as GET without the body, and OPTIONS with what is allowed; passes on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is OPTIONS."""
        method = scope.get("method")
        if method == "HEAD":
            inner = {**scope, "method": "GET"}
            try:
                await self._app(inner, receive, _without_body(send))
            finally:
                scope["route"] = inner.get("route")  # which the router found, for whoever says it
        elif method == "OPTIONS" and (methods := allowed_methods(scope["app"].routes, scope["path"])):
            allow = Response(status_code=HTTPStatus.NO_CONTENT, headers={"Allow": ", ".join(methods)})
            await allow(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def strip(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return strip
