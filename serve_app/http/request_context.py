"""The identity of each request, which is on all that is done for it, and the line in the log that says how it ended.

The id of a request is the trace id of its W3C trace context (https://www.w3.org/TR/trace-context/): the one that the
client sends, or a new one.
"""

import re
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.runtime import spans, trace
from config import logs
from config.settings import LoggedRequests
from serve_app.http.request_counts import RequestCounts

_TRACEPARENT, _REQUEST_ID = b"traceparent", b"x-request-id"
# Version, trace id, parent id and flags; version ff and ids of zeros are none.
_VALID_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# What proxies and clients make: UUIDs, numbers in hexadecimal, names with a few marks. Nothing that JSON escapes.
_VALID_REQUEST_ID = re.compile(rb"[0-9A-Za-z._:/+=-]{1,128}")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

if TYPE_CHECKING:
    from opentelemetry.trace import Span

logger = structlog.get_logger(__name__)


class RequestContext:
    """Gives each request its trace context, takes a valid `X-Request-ID` over, and answers with one.

    A valid `traceparent` is taken over; as the standard wants it, any other is passed over. Without one, an
    `X-Request-ID` of 32 hexadecimal digits, with or without a UUID's hyphens, is the trace id. Any other is only in the
    request's own line, as `client_request_id`. `log_requests` says which requests have a line; all are counted in
    `counts`, as failed where there is no answer.
    """

    def __init__(
        self, app: ASGIApp, log_requests: LoggedRequests, counts: RequestCounts, *, answers_request_ids: bool = True
    ) -> None:
        self._app = app
        self._log_requests = log_requests
        self._counts = counts
        self._answers_request_ids = answers_request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its trace context as the current one, and log how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        given, traceparent = _sent(scope)
        is_new = traceparent is None
        traceparent = traceparent or trace.new_traceparent(_trace_id_of(given))
        request_id = trace.request_of(traceparent)
        span = None if spans.tracer is None else spans.begin_request(traceparent, is_new=is_new)
        if span is not None:
            traceparent = spans.traceparent_of(span)
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._answers_request_ids:
                    message["headers"] = [*message.get("headers", ()), (_REQUEST_ID, (given or request_id).encode())]
            await send(message)

        current = trace.current.set(traceparent)
        context = logs.bind(request=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = perf_counter() - began
            self._counts.add(scope["method"], scope["path"], status, seconds)
            if self._is_logged(scope["method"], status):
                self._log(scope, status, seconds, given if given != request_id else None)
            if span is not None:
                _end(span, scope, status)
            logs.unbind(context)
            trace.current.reset(current)

    def _is_logged(self, method: str, status: int) -> bool:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or self._log_requests == "all":
            return True
        return self._log_requests == "changes" and method not in _SAFE_METHODS

    def _log(self, scope: Scope, status: int, seconds: float, client_request_id: str | None) -> None:
        report = logger.warning if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.info
        ms = round(seconds * 1_000, 1)
        given = {} if client_request_id is None else {"client_request_id": client_request_id}
        report("request_answered", method=scope["method"], route=_route_of(scope), status=int(status), ms=ms, **given)


def _end(span: "Span", scope: Scope, status: int) -> None:
    """End the span of a request, under the names of OpenTelemetry's conventions for HTTP."""
    route = _route_of(scope)
    span.update_name(f"{scope['method']} {route}" if route else scope["method"])
    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("http.response.status_code", status)
    if route:
        span.set_attribute("http.route", route)
    span.end()


def _route_of(scope: Scope) -> str | None:
    """Return the route, None for an address that is none: that is what somebody sent."""
    return getattr(scope.get("route"), "path", None)


def _sent(scope: Scope) -> tuple[str | None, str | None]:
    """Return the request id and the trace context that were sent, each None unless it is there once and valid."""
    ids: list[bytes] = []
    traceparents: list[bytes] = []
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            ids.append(value)
        elif name == _TRACEPARENT:
            traceparents.append(value)
    return _only(ids, _VALID_REQUEST_ID), _only(traceparents, _VALID_TRACEPARENT)


def _only(values: list[bytes], valid: re.Pattern[bytes]) -> str | None:
    return values[0].decode() if len(values) == 1 and valid.fullmatch(values[0]) else None


def _trace_id_of(request_id: str | None) -> str | None:
    if request_id is None:
        return None
    trace_id = request_id.replace("-", "").lower()
    return trace_id if _TRACE_ID.fullmatch(trace_id) else None
