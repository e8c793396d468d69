"""Every error becomes `{"errors": [{"message", "field"?}]}` here, wherever it was raised."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from pymongo.errors import DuplicateKeyError, PyMongoError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import failure_of
from actors.stripe.sandbox import LedgerUnavailable
from config.logs import origin_of
from serve_app.http.errors import CustomError, DatabaseConnectionError, ErrorEntry, ServiceUnavailableError
from serve_app.http.methods import allowed_methods
from serve_app.http.responses import json_response
from serve_app.web.errors import answer, response_of

_log = structlog.get_logger()
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is nothing here.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method.",
}
_UNEXPECTED = "Something went wrong on our side. It is logged and will be looked at."

Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(api: FastAPI) -> None:
    """Make the app answer these exceptions in our format. What else is raised meets `ServerErrorMiddleware`."""
    handlers: dict[type[Exception], Handler] = {
        CustomError: _custom,
        HTTPException: _of_the_framework,
        ClientDisconnect: _disconnected,
        # Elections have many faces: all of pymongo's errors but those that tell of two who wanted the same.
        PyMongoError: _database_away,
        DuplicateKeyError: _unexpected,
        StoreUnavailableError: _database_away,
        LedgerUnavailable: _database_away,
        RedisError: _redis_away,
    }
    for exception, handler in handlers.items():
        api.add_exception_handler(exception, handler)


class ServerErrorMiddleware:
    """Answers what nobody expected with 500. Logs where it came from, never its text: that may be input.

    Its `X-Request-ID` is in the line, so that whoever runs the market finds it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 500 unless the response has begun, then let the server cut the connection."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            _log.error("unexpected_exception", **origin_of(error))
            if started or scope["type"] != "http":
                raise
            errors: list[ErrorEntry] = [{"message": _UNEXPECTED}]
            response = answer(Request(scope), HTTPStatus.INTERNAL_SERVER_ERROR, errors)
            await response(scope, receive, send)


async def unavailable(request: Request, error: Exception) -> Response:
    """Answer 503 where something in front of us failed before anything was asked of the market."""
    _log.warning("request_not_arrived", exception=type(error).__name__)
    return response_of(request, ServiceUnavailableError())


async def _custom(request: Request, error: Exception) -> Response:
    if not isinstance(error, CustomError):
        raise TypeError(f"{type(error).__name__} is no CustomError") from error
    return response_of(request, error)


async def _of_the_framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"{type(error).__name__} is no HTTPException") from error
    sentence = _SENTENCES.get(HTTPStatus(error.status_code), "The request cannot be served.")
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework knows the methods of one route of several.
        headers = {"Allow": ", ".join(allowed_methods(request.app.routes, request.scope["path"]))}
    return answer(request, error.status_code, [{"message": sentence}], headers)


async def _disconnected(_request: Request, _error: Exception) -> Response:
    return json_response({"errors": [{"message": "The request ended early."}]}, HTTPStatus.BAD_REQUEST)


async def _database_away(request: Request, error: Exception) -> Response:
    _log.warning("database_does_not_answer", exception=failure_of(error))
    return response_of(request, DatabaseConnectionError())


async def _unexpected(_request: Request, error: Exception) -> Response:
    """Leave it to `ServerErrorMiddleware`: who inserts says what a key that is taken means, and here nobody did."""
    raise error


async def _redis_away(request: Request, error: Exception) -> Response:
    _log.warning("redis_does_not_answer", exception=type(error).__name__)
    return response_of(request, ServiceUnavailableError())
