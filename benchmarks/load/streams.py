"""Many open streams of server-sent events, in a process of their own so that they do not slow the load generator."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

OPENING_AT_A_TIME = 50
OPEN_SECONDS = 60.0
_READY = b"HTTP/1.1 200"


@contextmanager
def open_streams(port: int, path: str, count: int) -> Iterator["Streams"]:
    """Open so many streams of the path, and keep opening those that end. Raises SystemExit when they do not open."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_main, args=(port, path, count, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(OPEN_SECONDS) or ours.recv() != count:
            raise SystemExit(f"{count} streams could not be opened")
        yield Streams(ours)
    finally:
        process.terminate()
        process.join()


class Streams:
    """What the other process counts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counted(self) -> dict[str, int]:
        """Return how many streams are open, how many were refused, and how many events came."""
        self._connection.send("count")
        counted: dict[str, int] = json.loads(self._connection.recv())
        return counted


def _main(port: int, path: str, count: int, parent: Connection) -> None:
    asyncio.run(_Listeners(port, path).run(count, parent))


class _Listeners:
    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._counts = {"open": 0, "refused": 0, "events": 0}
        self._wanted = 0
        self._all_open = asyncio.Event()

    async def run(self, count: int, parent: Connection) -> None:
        tasks: list[asyncio.Task[None]] = []
        self._wanted = count
        for _ in range(0, count, OPENING_AT_A_TIME):
            tasks += [asyncio.create_task(self._listen()) for _ in range(min(OPENING_AT_A_TIME, count - len(tasks)))]
            await asyncio.sleep(0.1)
        await self._all_open.wait()
        parent.send(count)
        loop = asyncio.get_running_loop()
        loop.add_reader(parent.fileno(), lambda: self._answer(parent))
        await asyncio.gather(*tasks)

    def _answer(self, parent: Connection) -> None:
        try:
            parent.recv()
        except EOFError:
            sys.exit()
        parent.send(json.dumps(self._counts))

    async def _listen(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(self._request)
                if not (await reader.readline()).startswith(_READY):
                    self._counts["refused"] += 1
                    writer.close()
                    await asyncio.sleep(1.0)
                    continue
                self._counts["open"] += 1
                if self._counts["open"] >= self._wanted:
                    self._all_open.set()
                try:
                    async for line in reader:
                        self._counts["events"] += line.startswith(b"event: ticket")
                        if line.startswith(b"0\r"):  # the last chunk
                            break
                finally:
                    self._counts["open"] -= 1
                    writer.close()
            except OSError:
                await asyncio.sleep(0.5)
