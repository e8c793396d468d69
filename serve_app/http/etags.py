"""Versions as entity tags (RFC 9110, sections 8.8.3 and 13.1.1)."""

import re

from starlette.requests import Request

from serve_app.http.errors import RequestValidationError

_TAG = r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS = re.compile(rf"[ \t]*{_TAG}[ \t]*(?:,[ \t]*{_TAG}[ \t]*)*")
_VERSION = re.compile(r"[1-9][0-9]{0,15}")


def etag(version: int) -> str:
    """Return the tag of a version."""
    return f'"{version}"'


def expected_versions(request: Request) -> tuple[int, ...] | None:
    """Return the versions that `If-Match` allows, None without the header or with `*`: then any.

    `"7"` and `W/"7"` are the same, as HAProxy's compression makes one of the other. A tag that is none of ours allows
    no version. Raises RequestValidationError when the header is malformed.
    """
    sent = ",".join(request.headers.getlist("if-match"))
    if not request.headers.getlist("if-match") or sent.strip() == "*":
        return None
    if _TAGS.fullmatch(sent) is None:
        raise RequestValidationError({"If-Match": 'must be an ETag such as "7", several of them, or *'})
    return tuple(int(tag) for tag in re.findall(_TAG, sent) if _VERSION.fullmatch(tag))
