"""Where those meet who want something done about the same thing: it is done once for all who want the same."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Running(Generic[Result]):
    wish: object
    task: asyncio.Task[Result]


class SingleFlight(Generic[Result]):
    """At most one piece of work at a time for each subject. It goes on when those who asked for it have gone away.

    `report` is told of the subject and of what its work raised, as there may be nobody else to tell.
    """

    def __init__(self, report: Callable[[str, BaseException], None]) -> None:
        self._report = report
        self._running: dict[str, _Running[Result]] = {}

    def wish(self, subject: str) -> object:
        """The wish that runs for the subject, None when none does."""
        running = self._running.get(subject)
        return running.wish if running else None

    async def join(
        self, subject: str, wish: object, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> tuple[Result, bool]:
        """What came of the work, and whether it was begun for this wish.

        Joins what runs for the subject if its wish is equal, and otherwise waits for its end.
        """
        while (running := self._running.get(subject)) is not None:
            # Shielded: whoever goes away does not stop the work.
            result = await asyncio.shield(running.task)
            if running.wish == wish:
                return result, False
        task = asyncio.create_task(self._run(subject, work), name=subject)
        task.add_done_callback(self._ended)
        self._running[subject] = _Running(wish, task)
        return await asyncio.shield(task), True

    async def _run(self, subject: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        try:
            return await work()
        finally:
            # Gone before the task is done, so that nobody finds one here that is: waiting for it would not let go of
            # the event loop, and what comes after it would never run.
            del self._running[subject]

    def _ended(self, task: asyncio.Task[Result]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(task.get_name(), error)
