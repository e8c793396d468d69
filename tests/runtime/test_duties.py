"""Background work is done again and again, later when the database is away, and says how it does."""

import asyncio
from collections.abc import Callable

import pytest

from actors.runtime.ports import HostUnreachableError, StoreUnavailableError
from actors.supervision.duty import Duties, Duty

NOW = 1_900_000_000_000


class Work:
    """Raises what it is given, in this order, and nothing when all was raised."""

    def __init__(self, *raises: Exception) -> None:
        self.times = 0
        self._raises = list(raises)

    async def __call__(self) -> None:
        self.times += 1
        if self._raises:
            raise self._raises.pop(0)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds each pause was to last; none lasts any."""
    taken: list[float] = []

    async def at_once(seconds: float) -> None:
        taken.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr("actors.supervision.duty.sleep", at_once)
    return taken


async def run_until(duties: Duties, is_enough: Callable[[], bool]) -> None:
    running = asyncio.create_task(duties.run())
    async with asyncio.timeout(5):
        while not is_enough() and not running.done():  # noqa: ASYNC110 - what is waited for is the duty's own step
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])


async def test_duty_runs_in_its_period_and_counts_its_runs(pauses: list[float]) -> None:
    work = Work()
    duties = Duties([Duty("clean", 2.0, work)], lambda: NOW)
    await run_until(duties, lambda: work.times >= 3)
    status = duties.status()["clean"]
    assert (status["failures"], status["last_failure"], status["last_run_at"]) == (0, None, NOW)
    assert status["runs"] >= 3
    assert 2.0 in pauses


async def test_duty_that_fails_is_postponed_for_longer_each_time_and_up_to_four_periods(pauses: list[float]) -> None:
    work = Work(*(StoreUnavailableError("away") for _ in range(4)), HostUnreachableError("tickets-0"))
    duties = Duties([Duty("recover", 1.0, work)], lambda: NOW)
    await run_until(duties, lambda: work.times >= 7)
    assert [seconds for seconds in pauses if seconds][:6] == [1.0, 2.0, 4.0, 4.0, 4.0, 1.0]
    status = duties.status()["recover"]
    assert (status["failures"], status["last_failure"]) == (5, "HostUnreachableError")


async def test_duty_that_waits_by_itself_pauses_only_after_a_failure(pauses: list[float]) -> None:
    work = Work(StoreUnavailableError("away"))
    await run_until(Duties([Duty("receipts", 0.0, work)], lambda: NOW), lambda: work.times >= 1)
    assert [seconds for seconds in pauses if seconds] == [1.0]


async def test_failing_duty_does_not_hold_up_the_others(pauses: list[float]) -> None:
    failing, other = Work(*(StoreUnavailableError("away") for _ in range(100))), Work()
    duties = Duties([Duty("fails", 1.0, failing), Duty("works", 1.0, other)], lambda: NOW)
    await run_until(duties, lambda: other.times >= 5)
    assert duties.status()["works"]["runs"] >= 5
    assert pauses


async def test_bug_in_a_duty_ends_all_so_that_the_process_starts_anew(pauses: list[float]) -> None:  # noqa: ARG001
    with pytest.raises(ExceptionGroup):
        await Duties([Duty("broken", 1.0, Work(LookupError("a bug")))], lambda: NOW).run()
