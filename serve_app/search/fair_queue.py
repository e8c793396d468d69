"""A few pieces of work at a time, and every client has its turn: fair queueing, after what routers do with packets."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from serve_app.http.errors import ServiceUnavailableError

Result = TypeVar("Result")


class NoRoomError(ServiceUnavailableError):
    """Too much waits, and most of it is this client's."""


class FairQueue:
    """Runs at most `at_a_time` pieces of work, of one client at most `of_one`; `most_waiting` more wait.

    Clients take turns, however much each of them asks for. When one too many waits it is the last of the client who has
    the most waiting that is refused, so nobody is kept out by what others ask for.
    """

    def __init__(self, at_a_time: int, of_one: int, most_waiting: int) -> None:
        self._at_a_time = at_a_time
        self._of_one = of_one
        self._most_waiting = most_waiting
        self._running: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}
        self._count = 0

    async def run(self, client: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return what the work returns when its turn has come. Raises NoRoomError."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(place)
        self._count += 1
        self._begin()
        if self._count > self._most_waiting:
            self._refuse_one()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._end(client)
            raise
        try:
            return await work()
        finally:
            self._end(client)

    def _begin(self) -> None:
        """Let begin what may, of the client whose turn it is."""
        while self._running.total() < self._at_a_time:
            client = next((one for one in self._waiting if self._running[one] < self._of_one), None)
            if client is None:
                return
            place = self._taken(client, self._waiting[client].popleft())
            if not place.cancelled():
                self._running[client] += 1
                place.set_result(None)

    def _end(self, client: Hashable) -> None:
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        self._begin()

    def _refuse_one(self) -> None:
        client = max(self._waiting, key=lambda one: len(self._waiting[one]))
        place = self._taken(client, self._waiting[client].pop())
        if not place.cancelled():
            place.set_exception(NoRoomError())

    def _taken(self, client: Hashable, place: asyncio.Future[None]) -> asyncio.Future[None]:
        """Put the client behind the others, or out of the queue when nothing more of it waits."""
        self._count -= 1
        places = self._waiting.pop(client)
        if places:
            self._waiting[client] = places
        return place
