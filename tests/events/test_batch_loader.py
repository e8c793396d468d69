"""Who asks while a question is under way shares the next one."""

import asyncio
from collections.abc import Sequence

import pytest

from holdfast.batch_loader import LARGEST, BatchLoader


class Oracle:
    """Doubles what it is asked, when the test lets it."""

    def __init__(self) -> None:
        self.questions: list[list[int]] = []
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ask(self, items: Sequence[int]) -> list[int]:
        self.questions.append(list(items))
        self.is_asked.set()
        await self.may_answer.wait()
        if 13 in items:
            raise LookupError
        return [2 * item for item in items]


async def test_batch_loader_asks_for_the_first_key_at_once_and_for_later_ones_together() -> None:
    oracle = Oracle()
    loader = BatchLoader(oracle.ask)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(loader(1))
        await oracle.is_asked.wait()
        others = [tasks.create_task(loader(item)) for item in (2, 3, 2)]
        await asyncio.sleep(0)
        assert oracle.questions == [[1]]
        oracle.may_answer.set()
    assert oracle.questions == [[1], [2, 3, 2]]
    assert [first.result(), *(other.result() for other in others)] == [2, 4, 6, 4]


async def test_batch_loader_never_asks_for_more_keys_than_its_bound() -> None:
    oracle = Oracle()
    oracle.may_answer.set()
    loader = BatchLoader(oracle.ask)
    answers = await asyncio.gather(*(loader(item) for item in range(100, 100 + 2 * LARGEST)))
    assert answers == [2 * item for item in range(100, 100 + 2 * LARGEST)]
    assert max(map(len, oracle.questions)) == LARGEST


async def test_batch_loader_raises_an_error_for_the_callers_of_that_batch_only() -> None:
    oracle = Oracle()
    oracle.may_answer.set()
    loader = BatchLoader(oracle.ask)
    results = await asyncio.gather(loader(12), loader(13), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, LookupError]
    assert await loader(14) == 28


async def test_batch_loader_serves_the_other_callers_when_one_gives_up() -> None:
    oracle = Oracle()
    loader = BatchLoader(oracle.ask)
    patient, impatient = asyncio.create_task(loader(1)), asyncio.create_task(loader(2))
    await asyncio.sleep(0)
    impatient.cancel()
    oracle.may_answer.set()
    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient
