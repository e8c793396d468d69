"""How pages become responses."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from serve_app.accounts.tokens import Session
from serve_app.http.errors import NotAuthorizedError
from serve_app.http.responses import is_known
from serve_app.services import services_of
from serve_app.web.assets import asset
from serve_app.web.formats import Formats
from serve_app.web.policy import OWN, Policy
from serve_app.web.visitor import visitor_of

_TEMPLATES = Environment(
    loader=PackageLoader("serve_app.web"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["asset"] = asset
_HTML = "text/html; charset=utf-8"
# Pages of nobody in particular are kept by their reader alone, who asks whether they are still so.
_OF_NOBODY = {"Cache-Control": "private, no-cache", "Vary": "Accept-Language, Cookie"}
_OF_SOMEBODY = {"Cache-Control": "no-store"}
_WITH_SECRETS = {"Cache-Control": "no-store, no-transform"}


def render(  # noqa: PLR0913 - each says one thing about a page
    request: Request,
    template: str,
    context: Mapping[str, object],
    *,
    status: int = HTTPStatus.OK,
    policy: Policy = OWN,
    has_secrets: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the page of a template.

    A page that nobody is signed in for has an ETag, and is 304 when the browser has it. All others are stored nowhere;
    with `has_secrets` they are not compressed either (BREACH).
    """
    services, visitor = services_of(request), visitor_of(request)
    known = {"request": request, "settings": services.settings, "visitor": visitor, "fmt": Formats(visitor)}
    content = _TEMPLATES.get_template(template).render({**known, **context}).encode()
    sent = {
        "Content-Security-Policy": policy.header(https=services.settings.secure_cookies),
        # A native form sends `Origin: null` from a page without a referrer, and would be refused.
        "Referrer-Policy": "same-origin",
        **(headers or {}),
    }
    if has_secrets:
        return Response(content, status, {**sent, **_WITH_SECRETS}, _HTML)
    if visitor.session is not None or request.method != "GET" or status != HTTPStatus.OK:
        return Response(content, status, {**sent, **_OF_SOMEBODY}, _HTML)
    tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    sent = {**sent, **_OF_NOBODY, "ETag": tag}
    if is_known(request, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=sent)
    return Response(content, status, sent, _HTML)


def part(template: str, macro: str, *arguments: object) -> Markup:
    """Return a part of a page as a macro renders it, to be shown to all for whom it is the same."""
    rendered: Markup = getattr(_TEMPLATES.get_template(template).module, macro)(*arguments)
    return rendered


def see_other(path: str, response: Response | None = None) -> Response:
    """Return the answer of a form that did something: 303, so that reload and Back do not send it again.

    The headers of a response that is there already, such as its cookies, are kept.
    """
    response = response or Response()
    response.status_code = HTTPStatus.SEE_OTHER
    response.headers["Location"] = path
    response.headers["Content-Length"] = "0"
    return response


class SignInNeededError(NotAuthorizedError):
    """Nobody is signed in for a page of somebody's own; `web/errors.py` leads to the sign-in and back."""


def signed_in(request: Request) -> Session:
    """Return whose page it is. Raises SignInNeededError."""
    try:
        return services_of(request).sessions.require(request)
    except NotAuthorizedError:
        raise SignInNeededError from None
