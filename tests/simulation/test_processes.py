"""Processes on the virtual loop: what stopping and dying mean, and who is running."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any

import pytest

from tests.simulation.faults import CALM
from tests.simulation.loop import current_process
from tests.simulation.loops import STEPS, Loop, new_loop, ticking
from tests.simulation.world import World


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = new_loop()
    yield loop
    loop.close()


# Stopping and dying


def test_a_stopped_process_runs_nothing_and_goes_on_later(loop: Loop) -> None:
    process = loop.process("stopped")
    seen = ticking(loop, process)

    async def stop_and_go_on() -> None:
        await asyncio.sleep(2.5)
        process.stop()
        process.call(loop.call_soon, seen.append, 100.0)
        await asyncio.sleep(10)
        assert seen == [0.0, 1.0, 2.0]
        process.go_on()
        await asyncio.sleep(1)

    loop.do(stop_and_go_on())
    assert seen == [0.0, 1.0, 2.0, 100.0, 12.5]


@pytest.mark.parametrize("was_stopped", [True, False])
def test_a_dead_process_runs_nothing_ever_and_no_finally_either(loop: Loop, *, was_stopped: bool) -> None:
    process, signal = loop.process("dead"), asyncio.Event()
    seen = ticking(loop, process)

    async def waits_for_a_signal() -> None:
        await signal.wait()
        seen.append(100.0)

    process.run(waits_for_a_signal())

    async def kill() -> None:
        await asyncio.sleep(2.5)
        if was_stopped:
            process.stop()
        process.call(loop.call_soon, seen.append, 200.0)
        process.die()
        process.call(loop.call_soon, seen.append, 300.0)
        process.run(asyncio.sleep(0))
        process.go_on()
        signal.set()
        await asyncio.sleep(10)
        gc.collect()
        await asyncio.sleep(10)

    loop.do(kill())
    assert seen == [0.0, 1.0, 2.0]


def test_a_process_that_dies_in_the_middle_of_itself_gets_no_further_than_its_next_await(loop: Loop) -> None:
    seen: list[str] = []

    async def dies() -> None:
        current_process().die()
        seen.append("before")
        await asyncio.sleep(0)
        seen.append("after")

    loop.process("dies").run(dies())
    loop.do(asyncio.sleep(1))
    assert seen == ["before"]


# Who is running


def test_a_waiting_task_resumes_in_its_own_process_whichever_process_wakes_it(loop: Loop) -> None:
    seen: list[str] = []
    answer: asyncio.Future[None] = loop.create_future()

    async def waits() -> None:
        await answer
        seen.append(f"task of {current_process().name}")
        await asyncio.create_task(child())

    async def child() -> None:
        await asyncio.sleep(1)
        seen.append(f"child of {current_process().name}")

    async def wakes() -> None:
        await asyncio.sleep(1)
        answer.set_result(None)
        await asyncio.sleep(5)
        seen.append(f"task of {current_process().name}")

    def done(_: object) -> None:
        seen.append(f"callback of {current_process().name}")

    waiting = loop.process("waiting")
    waiting.run(waits())
    waiting.call(answer.add_done_callback, done)
    loop.do(wakes())
    assert sorted(seen) == ["callback of waiting", "child of waiting", "task of main", "task of waiting"]


def test_a_call_into_another_process_leaves_the_caller_who_it_is(loop: Loop) -> None:
    other = loop.process("other")

    def who() -> str:
        loop.call_soon(lambda: later.append(current_process().name))
        return current_process().name

    async def calls() -> tuple[str, str]:
        return other.call(who), current_process().name

    later: list[str] = []
    assert loop.do(calls()) == ("other", "main")
    loop.do(asyncio.sleep(1))
    assert later == ["other"]


def test_an_error_is_reported_with_the_process_in_which_it_happened(loop: Loop) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    process = loop.process("unlucky")
    process.call(loop.call_later, 1.0, fails)
    loop.do(asyncio.sleep(3))
    assert loop.reported == [("unlucky", "ZeroDivisionError()")]


def test_an_error_is_reported_as_that_process() -> None:
    world = World(1, CALM)
    process = world.loop.process("unlucky")
    process.call(world.loop.call_soon, [].pop)
    world.loop.run_until_done(world.loop.process("main").run(asyncio.sleep(1)), STEPS)
    world.loop.close()
    assert "unlucky" in str(world.broken)
    assert [(who, what) for _, who, what, _ in world.trace] == [("unlucky", "BROKEN")]


def test_what_a_task_begins_on_its_way_out_does_not_begin_on_another_loop(loop: Loop) -> None:
    begun: list[asyncio.AbstractEventLoop] = []

    async def begins_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            begun.append(asyncio.get_running_loop())
            await asyncio.create_task(asyncio.sleep(1))

    loop.process("other").run(begins_at_the_end())
    loop.do(asyncio.sleep(1))
    loop.close()
    assert begun == [loop]


async def _first(seconds: float) -> float:
    async with asyncio.timeout(seconds):
        await asyncio.Event().wait()
    return 0.0


async def _group() -> float:
    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(asyncio.sleep(second, second)) for second in (1.0, 2.0)]
    return sum(task.result() for task in found)


async def _lock() -> float:
    lock = asyncio.Lock()

    async def inside() -> float:
        async with lock:
            return await asyncio.sleep(1.0, 1.0)

    return sum(await asyncio.gather(inside(), inside(), inside()))


@pytest.mark.parametrize(("tool", "takes"), [(_group, 2.0), (_lock, 3.0)])
def test_the_tools_of_asyncio_work(loop: Loop, tool: Callable[[], Coroutine[Any, Any, float]], takes: float) -> None:
    assert loop.do(tool()) == 3.0
    assert loop.time() == takes


def test_a_timeout_ends_what_takes_too_long(loop: Loop) -> None:
    with pytest.raises(TimeoutError):
        loop.do(_first(7.0))
    assert loop.time() == 7.0


def test_a_task_in_a_context_of_its_own_runs_where_it_was_begun_whoever_wakes_it(loop: Loop) -> None:
    beginner, waker, signal = loop.process("beginner"), loop.process("waker"), asyncio.Event()
    seen: list[str] = []

    async def say_where() -> None:
        await signal.wait()
        seen.append(current_process().name)

    async def begin() -> None:
        await loop.create_task(say_where(), context=Context())

    async def wake() -> None:
        begun = beginner.run(begin())
        await asyncio.sleep(1)
        waker.call(signal.set)
        await begun

    loop.do(wake())
    assert seen == ["beginner"]
