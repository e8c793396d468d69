"""Responses: bytes made once."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.responses import Response

from serve_app.errors import CustomError

_JSON = "application/json"


def json_response(content: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return the content as JSON; bytes are JSON already."""
    return Response(content if isinstance(content, bytes) else json_bytes(content), status, headers, _JSON)


def json_bytes(content: object) -> bytes:
    """Return the content as JSON text."""
    return orjson.dumps(content)


def no_content() -> Response:
    """Return the empty answer of a deletion."""
    return Response(status_code=HTTPStatus.NO_CONTENT)


def error_response(error: CustomError) -> Response:
    """Return the error in the one format that all errors have."""
    return json_response({"errors": error.serialize_errors()}, error.status_code, error.headers)
