"""Single flight: equal requests that arrive together are carried out once, and one runs at a time for each key."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Running(Generic[Result]):
    request: object
    task: asyncio.Task[Result]


class SingleFlight(Generic[Result]):
    """At most one piece of work at a time for each key. It goes on when its callers have gone away.

    `report` is called with the key and what its work raised, as there may be no caller left that hears of it.
    """

    def __init__(self, report: Callable[[str, BaseException], None]) -> None:
        self._report = report
        self._running: dict[str, _Running[Result]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any work runs."""
        return bool(self._running)

    def request_of(self, key: str) -> object:
        """Return the request that runs for the key, None when none does."""
        running = self._running.get(key)
        return running.request if running else None

    async def do(
        self, key: str, request: object, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> tuple[Result, bool]:
        """Return what came of the work, and whether it was begun for this call.

        A call joins what runs for the key if its request is equal, and otherwise waits until that has ended.
        """
        while (running := self._running.get(key)) is not None:
            # Shielded: a caller that goes away does not stop the work.
            result = await asyncio.shield(running.task)
            if running.request == request:
                return result, False
        task = asyncio.create_task(self._run(key, work), name=key)
        task.add_done_callback(self._on_end)
        self._running[key] = _Running(request, task)
        return await asyncio.shield(task), True

    async def _run(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        try:
            return await work()
        finally:
            # Removed before the task is done. A caller that found a finished task here would wait for it without ever
            # yielding to the event loop, and what comes after it would never run.
            del self._running[key]

    def _on_end(self, task: asyncio.Task[Result]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(task.get_name(), error)
