"""What is asked for at once is done together, and everybody hears of their own."""

import asyncio
from collections.abc import Sequence

import pytest

from actors.stripe.sandbox.batches import Batches


class Work:
    """Doubles numbers, a batch whenever it is let; a batch with a 13 fails."""

    def __init__(self, *, most: int = 100) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Semaphore(0)
        self.asked = Batches(self._carry_out, most=most)

    async def _carry_out(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.gate.acquire()
        if 13 in numbers:
            raise ValueError
        return [2 * number for number in numbers]

    def let(self, *, batches: int) -> None:
        for _ in range(batches):
            self.gate.release()


def ask(work: Work, *numbers: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(work.asked.ask(number)) for number in numbers]


async def until_batch(work: Work, count: int) -> None:
    async with asyncio.timeout(5):
        while len(work.batches) < count:  # noqa: ASYNC110  # nothing tells that a batch began
            await asyncio.sleep(0)


async def test_while_one_batch_is_under_way_the_next_one_fills() -> None:
    work = Work()
    first = ask(work, 1, 2)
    await until_batch(work, 1)
    later = [*ask(work, 3), *ask(work, 4, 5)]
    work.let(batches=2)
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8, 10]
    assert work.batches == [[1, 2], [3, 4, 5]]


async def test_a_batch_is_bounded() -> None:
    work = Work(most=2)
    work.let(batches=3)
    assert await asyncio.gather(*ask(work, 1, 2, 3, 4, 5)) == [2, 4, 6, 8, 10]
    assert work.batches == [[1, 2], [3, 4], [5]]


async def test_a_failure_is_told_to_its_batch_and_the_next_one_is_served() -> None:
    work = Work(most=2)
    work.let(batches=2)
    results = await asyncio.gather(*ask(work, 13, 1, 2), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError, int]


async def test_a_caller_who_goes_away_takes_nothing_from_the_others() -> None:
    work = Work()
    gone, stays = ask(work, 1, 2)
    await until_batch(work, 1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    work.let(batches=1)
    assert await stays == 4


async def test_whoever_asks_after_a_pause_is_served() -> None:
    work = Work()
    for number in range(3):
        work.let(batches=1)
        assert await work.asked.ask(number) == 2 * number
