"""Request bodies: read with limits and parsed as strict JSON, in the handler, so that the session is checked first."""

import asyncio
import json
from typing import Any

from starlette.requests import Request

from serve_app.http.errors import (
    PayloadTooLargeError,
    RequestTimeoutError,
    RequestValidationError,
    UnsupportedMediaTypeError,
)

LARGEST_BODY = 1_048_576
# A body has at most 1 MiB; who needs longer for it keeps a place that others wait for.
_BODY_SECONDS = 30.0

_TOO_LARGE = "The body may have at most 1 MiB."
_MALFORMED = "The body is not valid JSON in UTF-8."


async def read_json(request: Request) -> object:
    """Return the value of the JSON body.

    Raises UnsupportedMediaTypeError, PayloadTooLargeError, RequestTimeoutError after 30 s, and RequestValidationError
    for what is no JSON (RFC 8259): also NaN and Infinity, a name twice in an object, halves of surrogate pairs, nesting
    deeper than the parser goes (about a thousand levels), and integers of more than 4,300 digits.
    """
    _check_type(request.headers.get("content-type", ""))
    raw = await read_raw(request)
    try:
        return parse(raw)
    except (ValueError, RecursionError):  # UnicodeError and JSONDecodeError are ValueErrors
        raise RequestValidationError({"": _MALFORMED}) from None


async def read_raw(request: Request) -> bytes:
    """Return the body as it came.

    Raises PayloadTooLargeError over 1 MiB, and RequestTimeoutError after 30 s.
    """
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read(request)
    except TimeoutError:
        raise RequestTimeoutError("The body did not arrive in time.") from None


def parse(raw: bytes) -> object:
    """Return the value of the JSON text. Raises ValueError or RecursionError for what `read_json` refuses."""
    # Some programs begin with a byte order mark, which a parser may ignore (RFC 8259, section 8.1).
    value = _DECODER.decode(raw.decode("utf-8-sig"))
    if b"\\ud" in raw or b"\\uD" in raw:
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair has no encoding
    return value


def _check_type(content_type: str) -> None:
    media_type, *parameters = (part.strip() for part in content_type.lower().split(";"))
    # Others than the charset mean nothing for JSON, and what is not known is ignored (RFC 2045, section 1).
    charsets = {value.strip().strip('"') for name, _, value in map(_halves, parameters) if name.strip() == "charset"}
    if media_type != "application/json" or not charsets <= {"utf-8", "utf8"}:
        raise UnsupportedMediaTypeError("Send the body as JSON, with the header Content-Type: application/json.")


def _halves(parameter: str) -> tuple[str, str, str]:
    return parameter.partition("=")


async def _read(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > LARGEST_BODY:
        raise PayloadTooLargeError(_TOO_LARGE)
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise PayloadTooLargeError(_TOO_LARGE)
    return bytes(raw)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name comes twice")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)
