"""HTTP connections of a load generator.

Small on purpose. An HTTP library costs 0.4 ms a request on the cores that the market is measured on, this 0.05 ms. It
reads what servers and proxies in front of a market send: status, headers, and a body by its length or in chunks.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"
_COOKIE = re.compile(rb"\r\nset-cookie: *([^;\r\n]+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *([0-9]+)\r\n", re.IGNORECASE)
_WITHOUT_BODY = frozenset((204, 304))


class Answer(NamedTuple):
    """An answer, with its headers as they came."""

    status: int
    body: bytes
    head: bytes = b""

    @property
    def cookies(self) -> tuple[str, ...]:
        """The cookies that it sets, such as `session=…`."""
        return tuple(each.decode() for each in _COOKIE.findall(self.head))

    @property
    def retry_after_seconds(self) -> int | None:
        """How long to wait before asking again, None where it does not say so."""
        found = _RETRY_AFTER.search(self.head)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a market answers."""

    host: str
    port: int
    is_tls: bool = False

    @classmethod
    def of(cls, url: str) -> Self:
        """Return the target of an address such as https://tickets.example.com. Raises ValueError for any other."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be an address without a path, such as http://127.0.0.1:8000")
        if parts.username or parts.password:
            raise ValueError("must not have a user or a password in it")
        is_tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if is_tls else 80), is_tls)

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def local(port: int) -> Target:
    """Return this machine's market at the port."""
    return Target("127.0.0.1", port)


def encode(method: str, path: str, host: str, cookie: str = "", body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
    if cookie:
        head += f"Cookie: {cookie}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection:
    """One connection to the server, opened when it is needed and again when the server closed it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.reconnects = 0

    async def ask(self, raw: bytes) -> Answer:
        """Return the answer. Raises OSError, IncompleteReadError, and ValueError for what is no HTTP."""
        try:
            return await self._exchange(raw)
        except (asyncio.IncompleteReadError, ConnectionError):
            # HAProxy closes idle connections when it takes over a new configuration; any client connects anew.
            self.close()
            self.reconnects += 1
            return await self._exchange(raw)

    def close(self) -> None:
        """Close it; the next question opens it again."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, raw: bytes) -> Answer:
        if self._streams is None:
            context = ssl.create_default_context() if self._target.is_tls else None
            self._streams = await asyncio.open_connection(self._target.host, self._target.port, ssl=context)
        reader, writer = self._streams
        writer.write(raw)
        return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(_HEAD_END)
    status = int(head[9:12])
    lowered = head.lower()
    start = lowered.find(b"content-length:")
    if start >= 0:
        length = int(lowered[start + 15 : lowered.index(b"\r\n", start)])
        return Answer(status, await reader.readexactly(length), head)
    if status not in _WITHOUT_BODY and b"\r\ntransfer-encoding: chunked" in lowered:
        return Answer(status, await _chunks(reader), head)
    return Answer(status, b"", head)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while (length := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)) > 0:
        body += (await reader.readexactly(length + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":  # trailers
        pass
    return body
