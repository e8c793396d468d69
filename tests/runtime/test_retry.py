"""What failed is tried again with pauses that double, until it succeeds or fails in another way."""

from itertools import islice, repeat

import pytest

from actors.runtime.ports import StoreUnavailableError
from actors.runtime.retry import backoff, retry


class Work:
    """Fails a few times before it succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def test_backoff_doubles_up_to_the_longest_pause() -> None:
    assert list(islice(backoff(0.25), 4)) == [0.25, 0.5, 1.0, 2.0]
    assert list(islice(backoff(0.3, 1.0), 4)) == [0.3, 0.6, 1.0, 1.0]
    assert next(backoff(2.0, 1.0)) == 1.0


async def test_retry_returns_what_came_of_the_work_and_tells_of_each_failure() -> None:
    first, second = StoreUnavailableError("first"), StoreUnavailableError("second")
    told: list[Exception] = []
    assert await retry(Work(first, second), StoreUnavailableError, repeat(0.0), told.append) == "done"
    assert told == [first, second]


async def test_retry_raises_a_failure_of_another_kind() -> None:
    work = Work(StoreUnavailableError(), ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await retry(work, StoreUnavailableError, repeat(0.0))


async def test_retry_raises_the_failure_of_the_try_after_the_last_pause() -> None:
    work = Work(*(StoreUnavailableError(str(number)) for number in range(1, 9)))
    with pytest.raises(StoreUnavailableError, match="3"):
        await retry(work, StoreUnavailableError, repeat(0.0, 2))
