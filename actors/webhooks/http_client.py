"""One POST to an address that somebody else wrote: resolved once, to public addresses only, never redirected."""

import asyncio
import email.utils
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from socket import AF_UNSPEC, SOCK_STREAM, AddressFamily, getaddrinfo
from types import TracebackType
from typing import Self, TypeGuard

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.helpers import is_ip_address
from yarl import URL

from actors.domain.instants import Instant
from actors.webhooks.addresses import are_public, is_public
from actors.webhooks.delivery import Attempt

# Standard Webhooks: 15 to 30 s.
TIMEOUT_SECONDS = 20.0
LARGEST_ANSWER = 1_024
LONGEST_RETRY_AFTER_MS = 86_400_000
# What an overloaded receiver that names no time gets.
SLOW_DOWN_MS = 60_000
SLOW_DOWN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
# A name server that does not answer keeps a thread longer than we wait for it: every lane has one to spare.
RESOLVING_THREADS = 128


class PrivateAddressError(OSError):
    """The name has an address that is not public."""


class PublicResolver(AbstractResolver):
    """Resolves a name once for each connection, which then goes to these very addresses: no second answer counts."""

    def __init__(self, *, local: bool = False) -> None:
        self._local = local
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="webhook-names")

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of the name. Raises OSError, and PrivateAddressError if one of them is not public."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self.look_up, host, port, family)
        if not self._local and not are_public([address for _, address in found]):
            raise PrivateAddressError(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=own_family, proto=0, flags=0)
            for own_family, address in found
        ]

    def look_up(self, host: str, port: int, family: int) -> list[tuple[int, str]]:
        """Return family and address of each answer of the system's resolver. Blocks. Raises OSError."""
        return [(int(found[0]), str(found[4][0])) for found in getaddrinfo(host, port, family, SOCK_STREAM)]

    async def close(self) -> None:
        """Let threads that still wait for a name server end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class WebhookClient:
    """Sends deliveries: without cookies, proxies of the environment, connections that are kept, or redirects."""

    def __init__(
        self, *, local: bool = False, timeout_seconds: float = TIMEOUT_SECONDS, resolver: PublicResolver | None = None
    ) -> None:
        """With `local` receivers private addresses are fine."""
        self._local = local
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        # The one that verifies certificates for the name, though the connection goes to an address.
        self._connector = aiohttp.TCPConnector(
            resolver=resolver or PublicResolver(local=local), use_dns_cache=False, force_close=True, limit=0
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            trust_env=False,
            # An answer that unpacks to gigabytes is read as it came.
            auto_decompress=False,
            headers={"User-Agent": "Holdfast-Webhooks/1", "Content-Type": "application/json"},
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        await self._session.close()

    async def post(self, url: str, body: bytes, headers: dict[str, str], now: Instant) -> Attempt:
        """Send it once and return what came of it; never raises for what the receiver or the network does."""
        began = time.monotonic()
        try:
            async with self._session.post(
                self._target(url), data=body, headers=headers, allow_redirects=False
            ) as answer:
                text = (await _beginning(answer)).decode("utf-8", "replace")
                wait = _retry_after_ms(answer.status, answer.headers.get("Retry-After"), now)
                return Attempt(now, _since(began), answer.status, text, retry_after_ms=wait)
        except PrivateAddressError:
            error = "private address"
        except TimeoutError:
            error = "timeout"
        except aiohttp.ClientConnectorCertificateError:
            error = "certificate"
        except aiohttp.ClientConnectorError as failed:
            error = "private address" if isinstance(failed.os_error, PrivateAddressError) else "no connection"
        except (aiohttp.ClientError, OSError, ValueError):
            error = "no answer"
        return Attempt(now, _since(began), error=error)

    def _target(self, url: str) -> URL:
        """Return the address. Raises PrivateAddressError for a literal one, which the resolver does not see."""
        target = URL(url)
        if not self._local and _is_literal(target.host) and not is_public(target.host):
            raise PrivateAddressError
        return target


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """Return at most 1 kB of the body: the rest is not read."""
    parts = b""
    while len(parts) < LARGEST_ANSWER and (part := await answer.content.read(LARGEST_ANSWER - len(parts))):
        parts += part
    return parts


def _is_literal(host: str | None) -> TypeGuard[str]:
    """Whether the connector takes the host for an address, by its own rule: then the resolver does not see it."""
    return is_ip_address(host)


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1_000)


def _retry_after_ms(status: int, header: str | None, now: Instant) -> int | None:
    """Return for how long the receiver wants to be left alone: seconds or a date (RFC 9110, section 10.2.3)."""
    if status not in SLOW_DOWN:
        return None
    text = (header or "").strip()
    if text.isdecimal() and text.isascii():
        wait = int(text[:9]) * 1_000
    else:
        try:
            wait = int(email.utils.parsedate_to_datetime(text).timestamp() * 1_000) - now
        except ValueError:
            wait = SLOW_DOWN_MS
    return max(0, min(wait, LONGEST_RETRY_AFTER_MS))
