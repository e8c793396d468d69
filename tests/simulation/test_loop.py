"""The virtual loop: when time passes, who goes next, and how it ends."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from tests.simulation.loops import STEPS, Loop, new_loop, ticking


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


# The end


def test_the_result_or_error_of_the_task_comes_out(loop: Loop) -> None:
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
