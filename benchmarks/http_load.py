"""A load generator: N keep-alive connections, each sends its next request when its answer is there.

Small on purpose. An HTTP library costs 0.4 ms a request on the cores that the market is measured on, this 0.05 ms. It
reads only what a server that it benchmarks sends: status line, Content-Length, body.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import uvloop

Check = Callable[[int, bytes, "Request"], str | None]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its bytes, and what its answer is checked against."""

    raw: bytes
    expected: str = ""


@dataclass(slots=True)
class Result:
    """What came back. Latencies and `seconds` are in seconds; `wrong` holds what the check said, at most 20."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    reconnects: int = 0

    @property
    def rate(self) -> float:
        """Answers that passed the check, each second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the answers stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


def request(method: str, path: str, *, cookie: str = "", body: bytes = b"", expected: str = "") -> Request:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if cookie:
        head += f"Cookie: {cookie}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return Request(head.encode() + b"\r\n" + body, expected)


def run(port: int, requests: Sequence[Request], connections: int, check: Check, most_seconds: float) -> Result:
    """Sends all requests, or as many as the time allows, over so many connections."""
    return uvloop.run(_run(port, iter(requests), connections, check, most_seconds))


async def _run(port: int, requests: Iterator[Request], connections: int, check: Check, most_seconds: float) -> Result:
    result = Result()
    began = time.perf_counter()
    workers = (_worker(port, requests, check, result, began + most_seconds) for _ in range(connections))
    await asyncio.gather(*workers)
    result.seconds = time.perf_counter() - began
    return result


async def _worker(port: int, requests: Iterator[Request], check: Check, result: Result, end: float) -> None:
    connection = await asyncio.open_connection("127.0.0.1", port)
    try:
        for asked in requests:
            began = time.perf_counter()
            if began > end:
                return
            try:
                status, body = await _exchange(connection, asked)
            except (asyncio.IncompleteReadError, ConnectionError):
                # HAProxy closes idle connections when it takes over a new configuration; any client connects anew.
                result.reconnects += 1
                connection[1].close()
                connection = await asyncio.open_connection("127.0.0.1", port)
                status, body = await _exchange(connection, asked)
            took = time.perf_counter() - began
            result.statuses[status] = result.statuses.get(status, 0) + 1
            complaint = check(status, body, asked)
            if complaint is None:
                result.latencies.append(took)
            elif len(result.wrong) < 20:  # noqa: PLR2004 - enough to see what is wrong
                result.wrong.append(complaint)
    finally:
        connection[1].close()


async def _exchange(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], asked: Request) -> tuple[int, bytes]:
    reader, writer = connection
    writer.write(asked.raw)
    return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    start = lowered.find(b"content-length:")
    if start < 0:
        return status, b""
    length = int(lowered[start + 15 : lowered.index(b"\r\n", start)])
    return status, await reader.readexactly(length)
