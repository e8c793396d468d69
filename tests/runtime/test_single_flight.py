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
def single_flight(reported: list[tuple[str, str]]) -> SingleFlight[int]:
    return SingleFlight(lambda subject, error: reported.append((subject, type(error).__name__)))


async def test_single_flight_gives_a_second_caller_the_result_of_the_first(single_flight: SingleFlight[int]) -> None:
    work = Work()
    async with asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(single_flight.do("one", "pay", work)) for _ in range(3)]
        await asyncio.sleep(0)
        work.may_end.set_result(None)
    assert [answer.result() for answer in answers] == [(1, True), (1, False), (1, False)]


async def test_single_flight_lets_another_command_wait_until_the_first_is_done(
    single_flight: SingleFlight[int],
) -> None:
    work, other = Work(), Work()
    other.may_end.set_result(None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(single_flight.do("one", "pay", work))
        await asyncio.sleep(0)
        later = tasks.create_task(single_flight.do("one", "refund", other))
        assert await single_flight.do("another", "refund", other) == (1, True)
        assert other.times == 1
        work.may_end.set_result(None)
    assert later.result() == (2, True)


async def test_single_flight_runs_a_command_that_arrives_just_as_another_ends(
    single_flight: SingleFlight[int],
) -> None:
    work, other = Work(), Work()
    other.may_end.set_result(None)
    arrives = asyncio.get_running_loop().create_future()

    async def second() -> tuple[int, bool]:
        await arrives
        return await single_flight.do("one", "refund", other)

    async with asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(single_flight.do("one", "pay", work)), tasks.create_task(second())]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.may_end.set_result(None)
        arrives.set_result(None)  # woken after the first has ended and before anyone was told so
        with at_most(1.0):
            await asyncio.wait(answers)
    assert [answer.result() for answer in answers] == [(1, True), (1, True)]


async def test_single_flight_finishes_work_whose_callers_left_and_reports_its_error(
    single_flight: SingleFlight[int], reported: list[tuple[str, str]]
) -> None:
    work = Work()
    caller = asyncio.create_task(single_flight.do("one", "pay", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    joined = asyncio.create_task(single_flight.do("one", "pay", work))
    await asyncio.sleep(0)
    work.may_end.set_exception(LookupError())
    with pytest.raises(LookupError):
        await joined
    assert (work.times, reported) == (1, [("one", "LookupError")])
