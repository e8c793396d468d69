"""Buyers whose next request depends on their last answer: what no prepared list of requests can be."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import uvloop

from benchmarks.load.http_load import NAME
from benchmarks.load.result import Result
from cli.load.generator.connection import Connection, local

Buyer = TypeVar("Buyer")
Buys = Callable[[Connection, Buyer, Result], Awaitable[None]]


def run(port: int, buyers: Sequence[Buyer], connections: int, buys: Buys[Buyer], most_seconds: float) -> Result:
    """Have every buyer buy, so many at a time, until all have or time is up.

    `buys` counts in the result what it asked for and what came back.
    """
    return uvloop.run(_run(port, buyers, connections, buys, most_seconds))


async def _run(port: int, buyers: Sequence[Buyer], connections: int, buys: Buys[Buyer], most_seconds: float) -> Result:
    result = Result(NAME)
    waiting = iter(buyers)
    began = time.perf_counter()

    async def serve() -> None:
        connection = Connection(local(port))
        try:
            while time.perf_counter() - began < most_seconds and (buyer := next(waiting, None)) is not None:
                await buys(connection, buyer, result)
        finally:
            result.reconnects += connection.reconnects
            connection.close()

    before = time.process_time()
    await asyncio.gather(*(serve() for _ in range(connections)))
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = time.process_time() - before
    return result
