"""What browsers are told with every response (OWASP, HTTP Headers Cheat Sheet; Secure Headers Project)."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
# Where a response says nothing of its own: JSON is no page, and what belongs to somebody is kept by nobody else.
_UNLESS_SAID: tuple[Header, ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox",
    ),
    (b"referrer-policy", b"no-referrer"),
)
_KEPT_BY_NOBODY: Header = (b"cache-control", b"no-store")
# A secret is in the answer to the request that makes it. HAProxy does not compress that: the length of compressed text
# tells of its contents (BREACH).
_NOR_COMPRESSED: Header = (b"cache-control", b"no-store, no-transform")
_SAFE_METHODS = frozenset({"GET", "HEAD"})
# A year, as ASVS 5 asks for (3.4.1). Whether it holds for subdomains is for their owners to say.
_HTTPS: Header = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Adds them to every response, errors as well, and lets no cookie into what others may keep.

    With `https` browsers are told to come by no other way.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = (*_ALWAYS, _HTTPS) if https else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its response."""
        kept = _KEPT_BY_NOBODY if scope.get("method") in _SAFE_METHODS else _NOR_COMPRESSED

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = _without_cookies_to_share(message.get("headers", ()))
                names = {name for name, _ in said}
                message["headers"] = [
                    *said,
                    *self._always,
                    *(one for one in (*_UNLESS_SAID, kept) if one[0] not in names),
                ]
            await send(message)

        await self._app(scope, receive, add)


def _without_cookies_to_share(said: Iterable[Header]) -> list[Header]:
    """Return the headers without cookies if others than the client may keep the response: they would get the session.

    Who is to be signed in or renewed is so with the next response that is theirs alone.
    """
    headers = [*said]
    kept = b",".join(value for name, value in headers if name == b"cache-control").lower()
    if not kept or b"no-store" in kept or b"private" in kept:
        return headers
    return [header for header in headers if header[0] != b"set-cookie"]
