"""`Authorization: Bearer` (RFC 6750): which requests have it, and what a route asks of its token."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from actors.storage.access_tokens import AccessScope
from serve_app.accounts.bearer_tokens import AccessTokens
from serve_app.accounts.tokens import Session
from serve_app.http.errors import InsufficientScopeError, InvalidTokenError
from serve_app.http.openapi import scope_of
from serve_app.services import services_of


def bearer_of(scope: Scope) -> str | None:
    """Return the token of a request, None for one that has no such header.

    It decides alone who asks: the cookies of such a request are not read. So a program with a cookie left over is who
    its token says, a token that does not hold falls back to nobody, and no browser can be made to send one elsewhere.
    """
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return str(token.strip(), "latin-1")
    return None


async def session_of_token(request: Request, token: str, access_tokens: AccessTokens) -> Session | None:
    """Return what the token stands for at the route that is asked, None where there is no route.

    Raises InvalidTokenError, or TooManyRequestsError when many of this address did not hold; InsufficientScopeError
    where the route asks for a scope that the token lacks, or takes no token; pymongo's ConnectionFailure.
    """
    grant = await access_tokens.check(token)
    if grant is None:
        services = services_of(request)
        await services.limits.invalid_token(services.address_of(request))
        raise InvalidTokenError
    # Of all routes that match, whichever is the one that answers.
    needed = _scopes_needed(request.app.routes, request.scope["method"], request.scope["path"])
    if None in needed:
        raise InsufficientScopeError("This address takes no access token: sign in for it.")
    for scope in needed - grant.scopes:
        raise InsufficientScopeError(f"This access token lacks the scope {scope}.", scope=scope)
    return grant.session if needed else None


def _scopes_needed(routes: Iterable[BaseRoute], method: str, path: str) -> set[AccessScope | None]:
    return {
        scope_of(route)
        for route in routes
        if isinstance(route, Route) and method in (route.methods or ()) and route.path_regex.match(path)
    }
