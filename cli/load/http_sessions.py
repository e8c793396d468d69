"""People who come to the market over HTTP."""

import secrets
from http import HTTPStatus

import aiohttp

from cli.load.errors import LoadError
from config.settings import Settings

# A client repeats its request while the answer is not known, for as long as people have patience.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.25
MADE = (HTTPStatus.CREATED, HTTPStatus.OK)


def session(settings: Settings, seconds: float = 300.0) -> aiohttp.ClientSession:
    """Many people behind one session: it keeps no cookies, and has a connection for each of them."""
    http = aiohttp.ClientSession(
        settings.local_url,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=seconds),
    )
    # aiohttp sends PUT and DELETE a second time by itself when a connection breaks. Who asks again is who knows that
    # it did, and there is no public way to say so.
    http._retry_connection = False  # noqa: SLF001
    return http


async def signed_up(http: aiohttp.ClientSession) -> str:
    """Return the cookie of somebody new."""
    account = {"email": f"load-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
    try:
        async with http.post("/api/users/signup", json=account) as answer:
            if answer.status != HTTPStatus.CREATED:
                raise LoadError(f"signing up was answered with {answer.status}: set RATE_LIMITS=off for load tests")
            return "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
    except aiohttp.ClientError as error:
        raise LoadError(f"the market does not answer ({type(error).__name__}): start it with `holdfast up`") from None
