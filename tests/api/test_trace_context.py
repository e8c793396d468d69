"""The trace context of a request is taken over where it is valid, and ends with the request."""

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from actors.runtime import trace
from serve_app.http.trace_context import TraceContext

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def tells_its_trace(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(trace.current.get() or "none")(scope, receive, send)


async def trace_of(*headers: str) -> str:
    transport = httpx.ASGITransport(TraceContext(tells_its_trace))
    async with httpx.AsyncClient(transport=transport, base_url="http://market") as client:
        return (await client.get("/", headers=[("Traceparent", header) for header in headers])).text


async def test_valid_trace_context_is_current_while_its_request_is_handled() -> None:
    assert await trace_of(VALID) == VALID
    assert await trace_of() == "none"
    assert trace.current.get() is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "anything",
        VALID.upper(),
        VALID.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        f"{VALID}-more",
        VALID.replace("4", "g"),
    ],
)
async def test_invalid_trace_context_is_passed_over(header: str) -> None:
    assert await trace_of(header) == "none"


async def test_two_trace_contexts_are_none() -> None:
    assert await trace_of(VALID, VALID) == "none"
