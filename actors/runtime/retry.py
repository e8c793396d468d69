"""Trying again: with pauses that double, and for as long as a server is away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def backoff(first_seconds: float, longest_seconds: float = float("inf")) -> Iterator[float]:
    """Yield pauses in seconds for ever, each twice as long as the one before, up to the longest."""
    seconds = first_seconds
    while True:
        yield min(seconds, longest_seconds)
        seconds = min(seconds * 2, longest_seconds)


async def retry(
    work: Callable[[], Awaitable[T]],
    failures: type[Exception] | tuple[type[Exception], ...],
    pauses: Iterable[float],
    on_failure: Callable[[Exception], object] | None = None,
) -> T:
    """Return what the work returns; try it again when it raises one of the failures.

    `pauses` are the seconds between the tries, such as those of `backoff` or `repeat`: after the last one the work is
    tried once more, and a failure is raised. `on_failure` is told of each failure before its pause.
    """
    for pause_seconds in pauses:
        try:
            return await work()
        except failures as error:
            if on_failure is not None:
                on_failure(error)
        await asyncio.sleep(pause_seconds)
    return await work()
