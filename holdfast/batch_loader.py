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
                await answer_all([answer for _, answer in asked], self._ask([item for item, _ in asked]))
        finally:
            # No await since nobody waited: who asks from now on begins anew.
            self._asking = None


async def answer_all(waiting: Sequence[asyncio.Future[Answer]], question: Awaitable[Sequence[Answer]]) -> None:
    """Give each its answer, in order, or all of them what the question raised. Some may have gone away by then."""
    try:
        answers = await question
    except Exception as error:  # noqa: BLE001 - whatever it is, each of them is told
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        return
    for future, answer in zip(waiting, answers, strict=True):
        if not future.done():
            future.set_result(answer)
