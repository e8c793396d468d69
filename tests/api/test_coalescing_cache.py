"""Many who ask the same are answered by one question, and what is answered is asked again after a rest."""

import asyncio
from functools import partial

import pytest

from serve_app.search.coalescing_cache import LONGEST_REST_SECONDS, STALE_SECONDS, CoalescingCache
from serve_app.search.fair_queue import FairQueue, NoRoomError


class Question:
    """Is answered with how often it was asked, when the test lets it."""

    def __init__(self) -> None:
        self.times = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> int:
        self.times += 1
        number = self.times
        await self.may_end.wait()
        return number


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which the test moves on."""
    time = [100.0]
    monkeypatch.setattr("serve_app.search.coalescing_cache._now", lambda: time[0])
    return time


async def test_coalescing_cache_gives_concurrent_callers_the_same_answer(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()
    question.may_end.clear()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(cache.get("page", question, refresh=False, client="somebody")) for _ in range(5)]
        await asyncio.sleep(0)
        now[0] += 60.0
        question.may_end.set()
    assert [task.result() for task in asking] == [1] * 5


async def test_coalescing_cache_keeps_an_answer_four_times_as_long_as_it_took(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()
    question.may_end.clear()
    first = asyncio.create_task(cache.get("page", question, refresh=False, client="somebody"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now[0] += 0.1
    question.may_end.set()
    assert await first == 1
    now[0] += 0.39
    assert await cache.get("page", question, refresh=False, client="somebody") == 1
    now[0] += STALE_SECONDS + 0.02
    assert await cache.get("page", question, refresh=False, client="somebody") == 2


async def test_coalescing_cache_gives_a_stale_answer_for_a_second_while_the_next_is_loaded(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()
    assert await cache.get("page", question, refresh=False, client="somebody") == 1
    now[0] += STALE_SECONDS / 2
    question.may_end.clear()
    assert await cache.get("page", question, refresh=False, client="somebody") == 1
    assert await cache.get("page", question, refresh=False, client="somebody") == 1, "also while it is looked for"
    await settled()
    assert question.times == 2, "it is looked for once"
    now[0] += STALE_SECONDS
    waiting = asyncio.create_task(cache.get("page", question, refresh=False, client="somebody"))
    await settled()
    assert not waiting.done(), "it is too old by now"
    question.may_end.set()
    assert await waiting == 2
    assert await cache.get("page", question, refresh=False, client="somebody") == 2


async def test_coalescing_cache_gives_no_stale_answer_on_refresh(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()
    assert await cache.get("page", question, refresh=False, client="somebody") == 1
    now[0] += STALE_SECONDS / 2
    assert await cache.get("page", question, refresh=True, client="somebody") == 2


async def test_coalescing_cache_never_gives_a_failure_while_the_next_answer_is_loaded(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()

    async def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        await cache.get("page", fail, refresh=False, client="somebody")
    now[0] += STALE_SECONDS / 2
    assert await cache.get("page", question, refresh=False, client="somebody") == 1


async def test_coalescing_cache_gives_no_answer_older_than_two_seconds(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()
    question.may_end.clear()
    first = asyncio.create_task(cache.get("page", question, refresh=False, client="somebody"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now[0] += 8.0
    question.may_end.set()
    assert await first == 1
    now[0] += LONGEST_REST_SECONDS + STALE_SECONDS + 0.01
    assert await cache.get("page", question, refresh=False, client="somebody") == 2


async def test_coalescing_cache_gives_no_answer_on_refresh_that_was_begun_before(now: list[float]) -> None:
    cache, question = CoalescingCache(), Question()
    question.may_end.clear()
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(cache.get("page", question, refresh=False, client="somebody"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        late = [tasks.create_task(cache.get("page", question, refresh=True, client="somebody")) for _ in range(3)]
        await asyncio.sleep(0)
        now[0] += 0.1
        question.may_end.set()
    assert early.result() == 1
    assert [task.result() for task in late] == [2] * 3, "one more question for all three"
    assert await cache.get("page", question, refresh=True, client="somebody") == 3, "also while an answer is kept"


async def test_coalescing_cache_loads_each_page_by_itself() -> None:
    cache, question = CoalescingCache(), Question()
    assert await cache.get("page", question, refresh=False, client="somebody") == 1
    assert await cache.get("other", question, refresh=False, client="somebody") == 2


async def test_coalescing_cache_raises_a_failure_for_all_waiting_callers_and_loads_again_after_a_rest(
    now: list[float],
) -> None:
    cache, question = CoalescingCache(), Question()
    fails = asyncio.Event()

    async def fail() -> int:
        await fails.wait()
        now[0] += 1.0
        raise LookupError

    asking = [asyncio.create_task(cache.get("page", fail, refresh=False, client="somebody")) for _ in range(2)]
    await asyncio.sleep(0)
    fails.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 2
    now[0] += 3.9
    with pytest.raises(LookupError):
        await cache.get("page", question, refresh=False, client="somebody")
    now[0] += 0.2
    assert await cache.get("page", question, refresh=False, client="somebody") == 1


async def test_coalescing_cache_answers_the_other_callers_when_one_goes_away() -> None:
    cache, question = CoalescingCache(), Question()
    question.may_end.clear()
    leaves = asyncio.create_task(cache.get("page", question, refresh=False, client="somebody"))
    stays = asyncio.create_task(cache.get("page", question, refresh=False, client="somebody"))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    question.may_end.set()
    assert await stays == 1


async def test_coalescing_cache_bounds_concurrent_and_waiting_loads() -> None:
    cache, question = CoalescingCache(), Question()
    question.may_end.clear()
    asking = [asyncio.create_task(cache.get(page, question, refresh=False, client=page % 2)) for page in range(109)]
    await settled()
    assert question.times == 4
    question.may_end.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(answer, NoRoomError) for answer in answers) == 5
    assert question.times == 104
    assert await cache.get("there is room again", question, refresh=False, client="somebody") == 105


async def test_a_client_with_many_queries_delays_no_other_client() -> None:
    cache, slow, quick = CoalescingCache(), Question(), Question()
    slow.may_end.clear()
    flood = [asyncio.create_task(cache.get(page, slow, refresh=False, client="flood")) for page in range(500)]
    await settled()
    async with asyncio.timeout(1.0):
        for number in range(1, 9):
            assert await cache.get(f"another {number}", quick, refresh=False, client=number) == number
    assert slow.times == 3, "one place is left for the others"
    slow.may_end.set()
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(result, NoRoomError) for result in results) == 500 - 3 - 100


async def test_many_clients_with_slow_queries_take_turns() -> None:
    cache, order = CoalescingCache(), []

    async def ask(name: str) -> str:
        order.append(name)
        await asyncio.sleep(0)
        return name

    async with asyncio.TaskGroup() as tasks:
        for client, count in (("flood", 40), ("first", 2), ("second", 2)):
            for number in range(count):
                name = f"{client} {number}"
                tasks.create_task(cache.get(name, partial(ask, name), refresh=False, client=client))
    assert all(order.index(f"{client} 1") < 12 for client in ("first", "second")), order


async def test_front_page_is_answered_whatever_waits() -> None:
    cache, slow, quick = CoalescingCache(), Question(), Question()
    slow.may_end.clear()
    floods = [
        asyncio.create_task(cache.get((client, page), slow, refresh=False, client=client))
        for client in range(20)
        for page in range(20)
    ]
    await settled()
    async with asyncio.timeout(1.0):
        assert await cache.get("front", quick, refresh=False, client=None) == 1
        assert await cache.get("front", quick, refresh=True, client=None) == 2
    slow.may_end.set()
    await asyncio.gather(*floods, return_exceptions=True)


async def test_a_client_is_not_refused_because_another_was_refused_the_same_page() -> None:
    cache, slow, quick = CoalescingCache(), Question(), Question()
    slow.may_end.clear()
    flood = [asyncio.create_task(cache.get(page, slow, refresh=False, client="flood")) for page in range(103)]
    await settled()
    also_wants = asyncio.create_task(cache.get(102, quick, refresh=False, client="somebody"))
    await settled()
    flood.append(asyncio.create_task(cache.get("one more", slow, refresh=False, client="flood")))
    await settled()
    slow.may_end.set()
    assert isinstance((await asyncio.gather(*flood, return_exceptions=True))[-1], NoRoomError)
    assert await also_wants in {1, 103}


async def test_client_who_goes_away_leaves_the_queue() -> None:
    queue, question = FairQueue(1, 1, 10), Question()
    question.may_end.clear()
    first = asyncio.create_task(queue.run("first", question))
    leaves = asyncio.create_task(queue.run("leaves", question))
    stays = asyncio.create_task(queue.run("stays", question))
    await settled()
    leaves.cancel()
    await asyncio.wait([leaves])
    question.may_end.set()
    assert [await first, await stays] == [1, 2]
    assert await queue.run("later", question) == 3


async def settled() -> None:
    """Let everything go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_coalescing_cache_keeps_at_most_a_thousand_answers() -> None:
    cache, question = CoalescingCache(), Question()
    for page in range(1_100):
        await cache.get(page, question, refresh=False, client="somebody")
    assert len(cache._asked) == 1_024
