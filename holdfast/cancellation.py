"""Ending tasks for certain: one cancellation is not always enough."""

import asyncio
from collections.abc import Collection
from typing import Any

# Long enough for what tasks do at their end, which another cancellation would cut short: connections stayed open.
_AGAIN_SECONDS = 1.0


async def cancel_until_ended(tasks: Collection[asyncio.Task[Any]], longest_seconds: float = float("inf")) -> None:
    """Cancel the tasks until all have ended, or until that many seconds have passed.

    `asyncio.wait_for` of Python 3.11 drops a cancellation that arrives together with its result
    (https://github.com/python/cpython/issues/86296), and redis-py sends every command through it.
    """
    loop, pending = asyncio.get_running_loop(), set(tasks)
    ends = loop.time() + longest_seconds
    while pending and loop.time() < ends:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=min(_AGAIN_SECONDS, ends - loop.time()))
