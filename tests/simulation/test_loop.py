"""The virtual loop: when time passes, who goes next, and what stopping and dying mean."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from random import Random
from typing import Any

import pytest

from tests.simulation.faults import CALM
from tests.simulation.loop import Process, VirtualLoop, current_process
from tests.simulation.world import World

STEPS = 10_000


class Loop(VirtualLoop):
    """A loop that ends with its test. `reported` says in which processes something went wrong."""

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


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = new_loop()
    yield loop
    loop.close()


# Time


def test_time_passes_only_when_nobody_has_anything_to_do(loop: Loop) -> None:
    seen: list[float] = []

    async def busy() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
            seen.append(loop.time())

    async def waits() -> float:
        await asyncio.sleep(0.001)
        return loop.time()

    loop.process("busy").run(busy())
    assert loop.do(waits()) == 0.001
    assert seen == [0.0] * 100


def test_time_goes_from_one_timer_to_the_next(loop: Loop) -> None:
    seen: list[float] = []
    for delay in (3.0, 1.0, 86_400.0, 1.0, -5.0):
        loop.call_later(delay, lambda: seen.append(loop.time()), context=loop.main.context)
    loop.do(asyncio.sleep(100_000))
    assert seen == [0.0, 1.0, 1.0, 3.0, 86_400.0]


def test_timers_that_were_cancelled_are_passed_over(loop: Loop) -> None:
    ran: list[str] = []
    timers = [loop.call_later(1.0, ran.append, name, context=loop.main.context) for name in "abc"]
    timers[1].cancel()
    loop.call_later(5.0, ran.append, "never", context=loop.main.context).cancel()
    loop.do(asyncio.sleep(2))
    assert ran == ["a", "c"]
    assert loop.time() == 2.0
    with pytest.raises(RuntimeError, match="everybody waits for ever"):
        loop.do(asyncio.Event().wait())
    assert loop.time() == 2.0


# Order


@pytest.mark.parametrize("seed", range(5))
def test_inside_of_a_process_callbacks_run_in_their_order(seed: int) -> None:
    loop, ran = new_loop(seed), dict[str, list[int]]()
    for name in "abc":
        order = ran[name] = list[int]()
        process = loop.process(name)
        for number in range(20):
            process.call(loop.call_soon, order.append, number)
        for number in range(20, 40):
            process.call(loop.call_later, 1.0, order.append, number)
    loop.do(asyncio.sleep(2))
    loop.close()
    assert list(ran.values()) == [list(range(40))] * 3


def interleaving(seed: int) -> str:
    loop, ran = new_loop(seed), list[str]()

    async def go(name: str) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
            ran.append(name)
        await asyncio.sleep(1)
        ran.append(name.upper())

    for name in "abcd":
        loop.process(name).run(go(name))
    loop.do(asyncio.sleep(2))
    loop.close()
    return "".join(ran)


def test_between_processes_the_order_depends_on_the_seed_and_on_nothing_else() -> None:
    first = [interleaving(seed) for seed in range(20)]
    assert [interleaving(seed) for seed in range(20)] == first
    assert len(set(first)) == 20
    assert {"".join(sorted(order)) for order in first} == {"ABCDaaaaabbbbbcccccddddd"}


# Stopping and dying


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


# The end


def test_what_the_task_returns_or_raises_comes_out(loop: Loop) -> None:
    async def returns() -> int:
        return 7

    async def raises() -> None:
        raise ZeroDivisionError

    assert loop.do(returns()) == 7
    with pytest.raises(ZeroDivisionError):
        loop.do(raises())


def test_a_task_that_takes_too_many_steps_is_given_up(loop: Loop) -> None:
    async def never_ends() -> None:
        for second in count():
            await asyncio.sleep(second)

    with pytest.raises(TimeoutError, match=f"everything is not done after {STEPS} steps"):
        loop.do(never_ends())
    assert loop.steps == STEPS


def test_when_everybody_waits_for_ever_that_is_an_error(loop: Loop) -> None:
    asleep = loop.process("stopped")
    ticking(loop, asleep)
    asleep.stop()
    with pytest.raises(RuntimeError, match="everybody waits for ever"):
        loop.do(asyncio.Event().wait())


def test_after_the_end_nothing_is_left_that_could_run(loop: Loop) -> None:
    seen = ticking(loop, loop.process("left"))
    loop.do(asyncio.sleep(0.5))
    loop.close()
    assert seen == [0.0, -1.0]
    loop.call_soon(seen.append, 100.0, context=loop.main.context)
    assert not loop.main.ready
    assert loop.reported == []


# Who is running


def test_whoever_waits_goes_on_as_itself_whoever_wakes_it(loop: Loop) -> None:
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


def test_what_goes_wrong_is_reported_with_the_process_in_which_it_did(loop: Loop) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    process = loop.process("unlucky")
    process.call(loop.call_later, 1.0, fails)
    loop.do(asyncio.sleep(3))
    assert loop.reported == [("unlucky", "ZeroDivisionError()")]


def test_whoever_reports_does_so_as_that_process() -> None:
    world = World(1, CALM)
    process = world.loop.process("unlucky")
    process.call(world.loop.call_soon, [].pop)
    world.loop.run_until_done(world.loop.process("main").run(asyncio.sleep(1)), STEPS)
    world.loop.close()
    assert "unlucky" in str(world.broken)
    assert [(who, what) for _, who, what, _ in world.trace] == [("unlucky", "BROKEN")]


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
