"""The trace context that a client sends, for the events of its request (https://www.w3.org/TR/trace-context/)."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from actors.runtime import trace

_HEADER = b"traceparent"
_LENGTH = 55
# Version, trace id, parent id and flags; version ff and ids of zeros are none.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class TraceContext:
    """Takes over a valid `traceparent`; as the standard wants it, any other is passed over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its trace context as the current one."""
        traceparent = _traceparent_of(scope) if scope["type"] == "http" else None
        if traceparent is None:
            await self._app(scope, receive, send)
            return
        token = trace.current.set(traceparent)
        try:
            await self._app(scope, receive, send)
        finally:
            trace.current.reset(token)


def _traceparent_of(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == _HEADER]
    if len(found) != 1 or len(found[0]) != _LENGTH or _TRACEPARENT.fullmatch(found[0]) is None:
        return None
    return str(found[0].decode())
