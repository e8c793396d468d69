"""Does together what is asked for at once: while one batch is under way the next one fills."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Batches(Generic[Asked, Answer]):
    """One batch at a time, of at most `most`. `carry_out` gives an answer to each of a batch, in their order."""

    def __init__(self, carry_out: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]], *, most: int) -> None:
        self._carry_out = carry_out
        self._most = most
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer to this one; raises what was raised for its batch.

        A caller who is cancelled leaves its batch under way: the others wait for it.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((asked, answer))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._next()
        finally:
            # No await since nobody waited: whoever asks now starts again.
            self._running = None

    async def _next(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            answers = await self._carry_out([asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever asked is told, whoever waits behind is served
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), given in zip(batch, answers, strict=True):
            if not answer.done():
                answer.set_result(given)
