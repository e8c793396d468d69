"""What waits for a turn: letters, each with a deadline and a place for its reply."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from actors.runtime.ports import Instant, Reply


class Batch:
    """The letters that arrived in one call. One future for all of them, not one for each."""

    __slots__ = ("_missing", "done", "replies")

    def __init__(self, size: int) -> None:
        self.replies: list[Reply] = [None] * size
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = size

    def answer(self, place: int, reply: Reply) -> None:
        """Fills one place; the last one lets the call return."""
        self.replies[place] = reply
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)


class Envelope:
    """One message. Internal letters (a timer's) have no delivery and nobody waits for them.

    `fenced` counts how often it was decided on what turned out to be stale; `deferred` says that an earlier letter of
    its turn had one of its keys; `again` says that it was sent before.
    """

    __slots__ = ("again", "command", "deadline", "deferred", "delivery", "fenced", "place")

    def __init__(
        self,
        command: Any,  # noqa: ANN401 - any message
        deadline: Instant,
        delivery: Batch | None = None,
        place: int = 0,
        *,
        again: bool = False,
    ) -> None:
        self.command = command
        self.deadline = deadline
        self.delivery = delivery
        self.place = place
        self.again = again
        self.fenced = 0
        self.deferred = False

    @property
    def is_after_conflict(self) -> bool:
        """Whether a key that it wants was taken, so that the journal is asked before it is decided."""
        return self.fenced > 0 or self.deferred

    def answer(self, reply: Reply) -> None:
        """Tells the caller, if there is one."""
        if self.delivery is not None:
            self.delivery.answer(self.place, reply)


class Mailbox:
    """A bounded queue of letters; a timer's letters come from what is already held and are let in always."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._letters: deque[Envelope] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._letters)

    def has_room(self, count: int) -> bool:
        """Whether so many more letters may come in."""
        return len(self._letters) + count <= self._limit

    def put(self, letters: Iterable[Envelope]) -> None:
        """Lets letters in, at the end."""
        self._letters.extend(letters)
        self._filled.set()

    def put_back(self, letters: Sequence[Envelope]) -> None:
        """Returns letters to the front, in their order."""
        self._letters.extendleft(reversed(letters))
        self._filled.set()

    async def take(self, most: int) -> list[Envelope]:
        """Waits until there is at least one letter."""
        while not self._letters:
            self._filled.clear()
            await self._filled.wait()
        return [self._letters.popleft() for _ in range(min(most, len(self._letters)))]
