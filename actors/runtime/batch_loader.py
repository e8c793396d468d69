"""One question for many who ask at the same time: for a database, fifty answers cost little more than one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LARGEST = 500


class BatchLoader(Generic[Item, Answer]):
    """While one question is under way, those that come meanwhile make up the next. Nobody waits while none is.

    `ask` answers items in order. What it raises everybody of that question is told. No question begins before its items
    came, so an answer is never older than the wish for it.
    """

    def __init__(self, ask: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        """The answer to this one."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
                await self._ask_some(asked)
        finally:
            # No await since nobody waited: who asks from now on begins anew.
            self._asking = None

    async def _ask_some(self, asked: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._ask([item for item, _ in asked])
        except Exception as error:  # noqa: BLE001 - whatever it is, each of them is told
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), value in zip(asked, answers, strict=True):
            if not answer.done():
                answer.set_result(value)
