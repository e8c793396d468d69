"""The short way for requests to addresses without parameters, among them those that everybody waits for at an on-sale.

FastAPI's way to a handler costs three times as much as these handlers do (measured under load with py-spy).
Handlers take the request and return the response, so nothing is lost without it; it still describes them.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import signature
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class StaticRouteDispatcher:
    """Answers what comes to a known method and address, and passes on everything else.

    Raises TypeError for a handler that takes more than the request: it would never get it here.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        routes = list(routes)
        for route in routes:
            if isinstance(route, APIRoute) and not route.param_convertors:
                _check(route)
        self._app = app
        self._routes: dict[tuple[str, str], APIRoute] = {
            (method, route.path): route
            for route in routes
            if isinstance(route, APIRoute) and not route.param_convertors
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the app's own error handlers."""
        route = self._routes.get((scope.get("method", ""), scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # as the framework notes it
        request = Request(scope, receive, send)
        try:
            response: Response = await route.endpoint(request)
        except Exception as error:
            handler = _handler_of(error, request.app.exception_handlers)
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)


def _check(route: APIRoute) -> None:
    parameters = signature(route.endpoint).parameters.values()
    if [parameter.annotation for parameter in parameters] != [Request] or route.dependencies:
        raise TypeError(
            f"{route.path}: a handler of an address without parameters takes the request and nothing else; read the "
            "rest from it (see docs/how-to-add.md)"
        )


def _handler_of(error: Exception, handlers: Mapping[Any, Any]) -> Callable[..., Awaitable[Response]] | None:
    return next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
