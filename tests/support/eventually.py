"""Waiting for what happens by itself: a poll with a deadline, never a sleep for luck."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.02


async def eventually(happened: Callable[[], Awaitable[bool] | bool], seconds: float = 10.0) -> None:
    """Returns once it happened. Raises TimeoutError when it did not within that time."""
    async with asyncio.timeout(seconds):
        while True:
            answer = happened()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(POLL_SECONDS)
