"""How many entries a member may have at once."""

import asyncio
from collections.abc import Callable


class Window:
    """Counts what is in memory against `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._changed = asyncio.Event()
        self._is_closed = False

    @property
    def free(self) -> int:
        """Return how many more entries there may be; less than nothing after another member's were taken over."""
        return self._size - self._used

    def take(self, count: int) -> None:
        """Count entries in, also beyond the size: what was taken over has to be held."""
        self._used += count

    def give_back(self, count: int) -> None:
        """Count entries out."""
        self._used -= count
        self._changed.set()

    def close(self) -> None:
        """Let nobody wait for room any more."""
        self._is_closed = True
        self._changed.set()

    async def room(self, is_starved: Callable[[], bool] = lambda: True) -> None:
        """Return once a quarter is free, or anything if the consumer is starved; and at the end.

        One entry at a time, each after an acknowledgement, would be two round trips each.
        """
        while not self._is_closed and self.free < (1 if is_starved() else self._size / 4):
            self._changed.clear()
            await self._changed.wait()

    def look_again(self) -> None:
        """Have those who wait for room ask again whether the consumer is starved."""
        self._changed.set()
