"""A load generator: N keep-alive connections, each sends its next request when its answer is there.

Small on purpose. An HTTP library costs 0.4 ms a request on the cores that the market is measured on, this 0.05 ms. It
reads only what a server that it benchmarks sends: status line, Content-Length, body.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence

import uvloop

from benchmarks.load.exchange import Expected, Judge, Request
from benchmarks.load.result import Result

NAME = "our own generator (benchmarks/load/http_load.py)"


class Connection:
    """One connection to the server, opened when it is needed and again when the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.reconnects = 0

    async def ask(self, raw: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises ConnectionError and IncompleteReadError."""
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

    async def _exchange(self, raw: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(raw)
        return await _answer(reader)


def run(port: int, requests: Sequence[Request], connections: int, expected: Expected, most_seconds: float) -> Result:
    """Send every request once, or as many as the time allows, over so many connections."""
    return uvloop.run(_Load(port, iter(requests), expected).run(connections, most_seconds))


class _Load:
    """What the connections share."""

    def __init__(self, port: int, requests: Iterator[Request], expected: Expected) -> None:
        self._port = port
        self._requests = requests
        self._success = expected.status
        self._judge = Judge(expected)
        self._result = Result(NAME)

    async def run(self, connections: int, most_seconds: float) -> Result:
        began = time.perf_counter()
        await asyncio.gather(*(self._send(began + most_seconds) for _ in range(connections)))
        self._result.seconds = time.perf_counter() - began
        return self._result

    async def _send(self, end: float) -> None:
        connection = Connection(self._port)
        try:
            while (began := time.perf_counter()) < end and (asked := next(self._requests, None)) is not None:
                self._result.sent += 1
                status, body = await connection.ask(asked.raw)
                self._note(asked, status, body, time.perf_counter() - began)
        finally:
            self._result.reconnects += connection.reconnects
            connection.close()

    def _note(self, asked: Request, status: int, body: bytes, took: float) -> None:
        complaint = self._judge.complaint(status, body.decode(), asked)
        if complaint is not None:
            self._result.complain(complaint)
        elif status == self._success:
            self._result.successes += 1
            self._result.took.append(took)
        else:
            self._result.refusals[status] += 1
            self._result.refused_took.append(took)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    start = lowered.find(b"content-length:")
    if start < 0:
        return status, b""
    length = int(lowered[start + 15 : lowered.index(b"\r\n", start)])
    return status, await reader.readexactly(length)
