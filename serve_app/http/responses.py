"""Responses: bytes made once, and not sent to a client that has them already."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serve_app.http.errors import CustomError

_JSON = "application/json"


def json_response(content: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return the content as JSON; bytes are JSON already."""
    return Response(content if isinstance(content, bytes) else json_bytes(content), status, headers, _JSON)


def json_bytes(content: object) -> bytes:
    """Return the content as JSON text."""
    return orjson.dumps(content)


def list_headers(content: bytes, link: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a page: browsers keep it for its reader alone, and ask whether it is still so.

    The tag is weak, as HAProxy's compression changes the bytes (RFC 9110, section 8.8.1).
    """
    digest = hashlib.blake2b(link.get("Link", "").encode(), digest_size=12)
    digest.update(content)
    return {"Cache-Control": "private, no-cache", "ETag": f'W/"{digest.hexdigest()}"', **link}


def unless_unchanged(request: Request, content: bytes, headers: Mapping[str, str]) -> Response:
    """Return the content as JSON, or 304 without it when `If-None-Match` names the tag among the headers."""
    if is_known(request, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return json_response(content, headers=headers)


def is_known(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` of the request names the tag."""
    # Compared weakly, as RFC 9110 section 13.1.2 says for this header.
    opaque = tag.removeprefix("W/")
    sent = ",".join(request.headers.getlist("if-none-match")).split(",")
    return any(one.strip() == "*" or one.strip().removeprefix("W/") == opaque for one in sent)


def no_content() -> Response:
    """Return the empty answer of a deletion."""
    return Response(status_code=HTTPStatus.NO_CONTENT)


def error_response(error: CustomError) -> Response:
    """Return the error in the one format that all errors have."""
    return json_response({"errors": error.serialize_errors()}, error.status_code, error.headers)
