"""What several want done about one thing is done once, and one after the other where they want different things."""

import asyncio

import pytest

from actors.runtime.single_flight import SingleFlight
from tests.simulation.workers import at_most


class Work:
    """Counts how often it is done, and ends when the test lets it."""

    def __init__(self) -> None:
        self.times = 0
        self.may_end = asyncio.get_running_loop().create_future()

    async def __call__(self) -> int:
        self.times += 1
        await self.may_end
        return self.times


@pytest.fixture
def reported() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def meetings(reported: list[tuple[str, str]]) -> SingleFlight[int]:
    return SingleFlight(lambda subject, error: reported.append((subject, type(error).__name__)))


async def test_who_wants_the_same_meanwhile_is_told_what_came_of_it(meetings: SingleFlight[int]) -> None:
    work = Work()
    async with asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(meetings.do("one", "pay", work)) for _ in range(3)]
        await asyncio.sleep(0)
        work.may_end.set_result(None)
    assert [answer.result() for answer in answers] == [(1, True), (1, False), (1, False)]


async def test_who_wants_something_else_waits_until_it_is_over(meetings: SingleFlight[int]) -> None:
    work, other = Work(), Work()
    other.may_end.set_result(None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(meetings.do("one", "pay", work))
        await asyncio.sleep(0)
        later = tasks.create_task(meetings.do("one", "refund", other))
        assert await meetings.do("another", "refund", other) == (1, True)
        assert other.times == 1
        work.may_end.set_result(None)
    assert later.result() == (2, True)


async def test_a_wish_that_arrives_in_the_instant_in_which_another_ends_is_carried_out(
    meetings: SingleFlight[int],
) -> None:
    work, other = Work(), Work()
    other.may_end.set_result(None)
    arrives = asyncio.get_running_loop().create_future()

    async def second() -> tuple[int, bool]:
        await arrives
        return await meetings.do("one", "refund", other)

    async with asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(meetings.do("one", "pay", work)), tasks.create_task(second())]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.may_end.set_result(None)
        arrives.set_result(None)  # woken after the first has ended and before anyone was told so
        with at_most(1.0):
            await asyncio.wait(answers)
    assert [answer.result() for answer in answers] == [(1, True), (1, True)]


async def test_work_goes_on_without_those_who_asked_for_it_and_what_it_raises_is_reported(
    meetings: SingleFlight[int], reported: list[tuple[str, str]]
) -> None:
    work = Work()
    caller = asyncio.create_task(meetings.do("one", "pay", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    joined = asyncio.create_task(meetings.do("one", "pay", work))
    await asyncio.sleep(0)
    work.may_end.set_exception(LookupError())
    with pytest.raises(LookupError):
        await joined
    assert (work.times, reported) == (1, [("one", "LookupError")])
