"""Tasks end although a driver loses a cancellation."""

import asyncio
import contextlib
import time

from holdfast.cancellation import cancel_until_ended


async def deaf_to(cancellations: int) -> None:
    for _ in range(cancellations):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def begun(cancellations: int) -> asyncio.Task[None]:
    task = asyncio.create_task(deaf_to(cancellations))
    await asyncio.sleep(0)
    return task


async def test_tasks_that_lose_cancellations_are_cancelled_again() -> None:
    tasks = [await begun(0), await begun(1), await begun(2)]
    await cancel_until_ended(tasks, longest_seconds=5.0)
    assert all(task.cancelled() for task in tasks)


async def test_end_of_a_task_is_not_cut_short() -> None:
    closed: list[bool] = []

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.3)
            closed.append(True)

    task = asyncio.create_task(job())
    await asyncio.sleep(0)
    await cancel_until_ended([task])
    assert closed == [True]


async def test_task_that_never_ends_is_given_up() -> None:
    task, begins = await begun(1_000), time.monotonic()
    await cancel_until_ended([task], longest_seconds=0.3)
    assert not task.done()
    assert time.monotonic() - begins < 2.0
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
