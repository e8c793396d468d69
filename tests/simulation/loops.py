"""A virtual loop to test."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from tests.simulation.loop import Process, VirtualLoop

STEPS = 10_000


class Loop(VirtualLoop):
    """A loop with a main process. `reported` says in which processes something went wrong."""

    def __init__(self, seed: int = 1) -> None:
        self.reported: list[tuple[str, str]] = []
        super().__init__(Random(seed), self._note)  # noqa: S311 - to have the same again
        self.main = self.process("main")

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what it returns
        return self.run_until_done(self.main.run(coroutine, "everything"), STEPS)

    def _note(self, process: Process, context: dict[str, Any]) -> None:
        self.reported.append((process.name, repr(context.get("exception"))))


def new_loop(seed: int = 1) -> Loop:
    return Loop(seed)  # type: ignore[abstract]  # what it lacks is I/O


def ticking(loop: Loop, process: Process) -> list[float]:
    """Notes every whole second in which the process runs."""
    seen: list[float] = []

    async def tick() -> None:
        try:
            while True:
                seen.append(loop.time())
                await asyncio.sleep(1)
        finally:
            seen.append(-1.0)

    process.run(tick(), "ticking")
    return seen
