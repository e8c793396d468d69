"""Style sheets, scripts and pictures: read once, at addresses that change with what is in them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from fastapi import APIRouter, Request
from starlette.responses import Response

from serve_app.http.errors import NotFoundError

router = APIRouter(include_in_schema=False)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_DIGITS = 12
# Lines of comments are for readers of the source: a sixth of the scripts' bytes as they cross the wire.
_COMMENTS = re.compile(rb"^ *//.*\n", re.MULTILINE)
# The address names the content, so it is never another one (RFC 8246).
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    url: str
    content: bytes
    media_type: str


def _assets() -> Mapping[str, Asset]:
    found: dict[str, Asset] = {}
    for file in sorted(resources.files("serve_app.web").joinpath("static").iterdir(), key=lambda each: each.name):
        media_type = next((_TYPES[end] for end in _TYPES if file.name.endswith(end)), None)
        if media_type is not None:
            content = file.read_bytes()
            if file.name.endswith(".js"):
                content = _COMMENTS.sub(b"", content)
            digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
            found[file.name] = Asset(f"/static/{digest}/{file.name}", content, media_type)
    return found


ASSETS = _assets()


def asset(name: str) -> str:
    """Return the address of a file in `static`. Raises KeyError when there is none: a mistake in a template."""
    return ASSETS[name].url


@router.get("/static/{digest}/{name}")
async def read_asset(request: Request, digest: str, name: str) -> Response:  # noqa: ARG001 - the path is compared whole
    """Return the file; a page of an earlier release that asks for what is no more gets 404."""
    found = ASSETS.get(name)
    if found is None or found.url != request.url.path:
        raise NotFoundError
    return Response(found.content, media_type=found.media_type, headers={"Cache-Control": _FOR_EVER})
