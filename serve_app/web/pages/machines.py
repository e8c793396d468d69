"""What programs read: search engines, browsers, security researchers."""

from fastapi import APIRouter, Request
from markupsafe import escape
from starlette.responses import Response

from serve_app.http.errors import NotFoundError
from serve_app.http.timestamps import iso
from serve_app.services import services_of
from serve_app.web.assets import asset

router = APIRouter(include_in_schema=False)
_DAY_MS = 86_400_000
# RFC 9116 advises less than a year.
_EXPIRES_DAYS = 180
_KEPT = {"Cache-Control": "public, max-age=3600"}
_PERSONAL = (
    "/account",
    "/orders",
    "/listings",
    "/favourites",
    "/signin",
    "/signup",
    "/verify",
    "/reset-password",
    "/sell",
    "/admin",
    "/api",
)


@router.get("/robots.txt")
async def read_robots(request: Request) -> Response:
    """Keep robots off pages of persons, and name the sitemap."""
    url = services_of(request).settings.public_url
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _PERSONAL), f"Sitemap: {url}/sitemap.xml", ""]
    return Response("\n".join(lines), media_type="text/plain", headers=_KEPT)


@router.get("/sitemap.xml")
async def read_sitemap(request: Request) -> Response:
    """Name the newest tickets that are for sale, as many as a sitemap may have; read once for all who ask."""
    services = services_of(request)
    url = escape(services.settings.public_url)
    listed = await services.sitemap.entries(services.clock())
    entries = "".join(
        f"<url><loc>{url}/tickets/{ticket_id}</loc><lastmod>{iso(updated_at)}</lastmod></url>"
        for ticket_id, updated_at in listed
    )
    schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
    home = f"<url><loc>{url}/</loc></url>"
    text = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="{schema}">{home}{entries}</urlset>'
    return Response(text, media_type="application/xml", headers=_KEPT)


@router.get("/.well-known/security.txt")
async def read_security_contact(request: Request) -> Response:
    """Say where holes in this market are reported (RFC 9116). Raises NotFoundError when the operator does not say."""
    services = services_of(request)
    contact, url = services.settings.security_contact, services.settings.public_url
    if contact is None:
        raise NotFoundError
    # The whole day, so that the file is the same for a day.
    expires = (services.clock() // _DAY_MS + _EXPIRES_DAYS) * _DAY_MS
    lines = [
        f"Contact: {contact}",
        f"Expires: {iso(expires)}",
        "Preferred-Languages: en",
        f"Canonical: {url}/.well-known/security.txt",
        "",
    ]
    return Response("\n".join(lines), media_type="text/plain", headers=_KEPT)


@router.get("/opensearch.xml")
async def read_open_search(request: Request) -> Response:
    """Offer the search to browsers."""
    url = escape(services_of(request).settings.public_url)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/"><ShortName>Holdfast</ShortName>'
        "<Description>Tickets to live events</Description><InputEncoding>UTF-8</InputEncoding>"
        f'<Url type="text/html" template="{url}/?q={{searchTerms}}"/></OpenSearchDescription>'
    )
    return Response(text, media_type="application/opensearchdescription+xml", headers=_KEPT)


@router.get("/site.webmanifest")
async def read_manifest(_request: Request) -> Response:
    """Say how the market looks when it is put on a home screen."""
    text = (
        '{"name": "Holdfast", "short_name": "Holdfast", "start_url": "/", "display": "minimal-ui",'
        ' "theme_color": "#0c5c52", "background_color": "#f6f3ec", "icons": [{"src": "'
        f'{asset("favicon.svg")}", "sizes": "any", "type": "image/svg+xml"}}]}}'
    )
    return Response(text, media_type="application/manifest+json", headers=_KEPT)
