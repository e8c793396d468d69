"""The description of the API for people: Swagger UI, from its own package, with nothing loaded from elsewhere."""

from functools import cache
from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

from serve_app.http.errors import NotFoundError

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});\n'
# Swagger UI writes style attributes; scripts come from files of ours only.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}


@router.get("/docs")
async def page() -> Response:
    """Return the page."""
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/{name}")
async def part(name: str) -> Response:
    """Return what the page loads."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    media_type = _FILES.get(name)
    if media_type is None:
        raise NotFoundError
    content = _shipped(name)
    return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})


@cache
def _shipped(name: str) -> bytes:
    return (resources.files("fastapi_swagger") / "resources" / name).read_bytes()
