"""Errors as pages, for people whose browser asks for one; programs and everything under `/api` get JSON."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from actors.runtime import trace
from serve_app.http.errors import CustomError, ErrorEntry
from serve_app.http.responses import json_response
from serve_app.web.page import SignInNeededError, render, see_other

_OF_PROGRAMS = ("/api/", "/docs", "/openapi.json", "/healthz", "/readyz")


def response_of(request: Request, error: CustomError) -> Response:
    """Return the answer to a request that failed; for a page that needs a session the way to the sign-in and back."""
    if isinstance(error, SignInNeededError):
        return see_other(f"/signin?next={quote(_back_to(request), safe='/')}")
    return answer(request, error.status_code, error.serialize_errors(), error.headers)


def answer(
    request: Request, status: int, errors: Sequence[ErrorEntry], headers: Mapping[str, str] | None = None
) -> Response:
    """Return the errors as a page or as JSON. Neither repeats anything of the request."""
    if not wants_page(request):
        return json_response({"errors": errors}, status, headers)
    context = {
        "status": int(status),
        "messages": [entry["message"] for entry in errors],
        "request_id": _request_id(),
        "retry_after": (headers or {}).get("Retry-After"),
    }
    return render(request, "error.html", context, status=status, headers=headers)


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer: browsers say that they take HTML, programs do not."""
    return not request.scope["path"].startswith(_OF_PROGRAMS) and "text/html" in request.headers.get("accept", "")


def _request_id() -> str | None:
    traceparent = trace.current.get()
    return None if traceparent is None else trace.request_of(traceparent)


def _back_to(request: Request) -> str:
    query = request.url.query if request.method == "GET" else ""
    return f"{request.url.path}?{query}" if query else request.url.path
