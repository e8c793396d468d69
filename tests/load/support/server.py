"""A small HTTP server in a thread: it answers as a test says, and can stand still for a while."""

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Of method, path and body to status and body.
Answers = Callable[[str, str, str], tuple[int, str]]


def market(method: str, path: str, body: str) -> tuple[int, str]:
    """Answer as a market of Holdfast's does to those who sign up, list and read."""
    if method == "GET" and path.startswith("/api/tickets/"):
        return 200, json.dumps({"id": path.rpartition("/")[2]})
    if method == "GET":
        return 200, "[]"
    if path == "/api/users/signup":
        return 201, json.dumps({"id": "a" * 24})
    return 201, json.dumps({"id": "b" * 24, "status": "available", "price": json.loads(body)["price"]})


class Server:
    """A server on a port of its own, and what it was asked."""

    def __init__(self, answers: Answers, retry_after: int) -> None:
        self.port = 0
        self.asked: list[tuple[str, str]] = []
        self._answers = answers
        self._retry_after = retry_after
        self._goes_on: asyncio.Event | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def stand_still(self, seconds: float) -> None:
        """Answer nothing for so long, from now on."""
        asyncio.run_coroutine_threadsafe(self._stand_still(seconds), self._loop)

    async def _stand_still(self, seconds: float) -> None:
        self._goes_on = asyncio.Event()
        await asyncio.sleep(seconds)
        self._goes_on.set()

    async def serve(self, ports: "queue.SimpleQueue[int]") -> None:
        serving = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        ports.put(serving.sockets[0].getsockname()[1])
        await self._stop.wait()
        serving.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # the connections close

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                length = head.lower().partition("content-length:")[2].partition("\r\n")[0]
                body = (await reader.readexactly(int(length))).decode() if length else ""
                if self._goes_on is not None:
                    await self._goes_on.wait()
                self.asked.append((method, path))
                status, content = self._answers(method, path, body)
                headers = {"Set-Cookie": "session=x", "Retry-After": self._retry_after, "Content-Length": len(content)}
                lines = (f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items()))
                writer.write("\r\n".join((*lines, "", content)).encode())
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    def run(self, ports: "queue.SimpleQueue[int]") -> None:
        self._loop.run_until_complete(self.serve(ports))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def server(answers: Answers = market, retry_after: int = 3_600) -> Iterator[Server]:
    ports: queue.SimpleQueue[int] = queue.SimpleQueue()
    serving = Server(answers, retry_after)
    thread = threading.Thread(target=serving.run, args=(ports,))
    thread.start()
    try:
        serving.port = ports.get(timeout=5)
        yield serving
    finally:
        serving.stop()
        thread.join()
        serving._loop.close()
