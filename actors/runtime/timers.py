"""The alarm clock inside an actor: a heap of instants and one task that sleeps until the next."""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from actors.runtime.ports import Clock, Instant

# The database's clock may be set while we sleep, so a sleep is cut into pieces.
LONGEST_SLEEP_SECONDS = 1.0
# The heap may have as many alarms that were taken back as others, and a few more: tidied up seldom, it stays small.
_FEW = 64


class Timers:
    """Calls `fire` with all commands whose instant has come. What a late or double alarm does, the command decides."""

    def __init__(self, clock: Clock, fire: Callable[[Sequence[Any]], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._heap: list[tuple[Instant, int, Any]] = []
        self._armed: dict[Any, Instant] = {}
        self._order = count()
        self._earlier = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def armed(self) -> int:
        """How many will fire: those that were taken back do not count."""
        return len(self._armed)

    def arm(self, at: Instant, command: Any) -> None:  # noqa: ANN401 - any message
        """Fires the command at `at`; arming it again for the same instant changes nothing."""
        if self._armed.get(command) == at:
            return
        self._armed[command] = at
        heapq.heappush(self._heap, (at, next(self._order), command))
        if self._heap[0][0] == at:
            self._earlier.set()
        self._tidy_up()

    def disarm(self, command: Any) -> None:  # noqa: ANN401 - any message
        """Never fires the command, unless it is armed again."""
        self._armed.pop(command, None)
        self._tidy_up()

    def next_at(self) -> Instant | None:
        """The instant of the next alarm, None without one."""
        while self._heap and not self._is_armed(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._fire_due()
            self._earlier.clear()
            next_at = self.next_at()
            wait_seconds = None if next_at is None else min((next_at - self._clock.now()) / 1000, LONGEST_SLEEP_SECONDS)
            try:
                await asyncio.wait_for(self._earlier.wait(), wait_seconds)
            except TimeoutError:
                continue

    def _fire_due(self) -> None:
        now = self._clock.now()
        due: list[Any] = []
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_armed(entry):
                command = entry[2]
                del self._armed[command]
                due.append(command)
        if due:
            self._fire(due)

    def _is_armed(self, entry: tuple[Instant, int, Any]) -> bool:
        """Whether it was neither taken back nor armed anew for another instant."""
        return self._armed.get(entry[2]) == entry[0]

    def _tidy_up(self) -> None:
        if len(self._heap) > 2 * len(self._armed) + _FEW:
            self._heap = [entry for entry in self._heap if self._is_armed(entry)]
            heapq.heapify(self._heap)
