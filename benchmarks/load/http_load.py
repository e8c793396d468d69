"""A load generator: N keep-alive connections, each sends its next request when its answer is there."""

import asyncio
import time
from collections.abc import Iterator, Sequence

import uvloop

from benchmarks.load.exchange import Expected, Judge, Request
from benchmarks.load.result import Result
from cli.load.generator.connection import Connection, local

NAME = "our own generator (benchmarks/load/http_load.py)"


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
        connection = Connection(local(self._port))
        try:
            while (began := time.perf_counter()) < end and (asked := next(self._requests, None)) is not None:
                self._result.sent += 1
                status, body, _ = await connection.ask(asked.raw)
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
