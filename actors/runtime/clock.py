"""One clock for all hosts: the database's, kept by the monotonic clock between looks at it."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

from actors.runtime.ports import Instant, StoreUnavailableError

REFRESH_SECONDS = 10.0
# An answer was made some time between asking and hearing. One that took this long is asked for again, a few times.
GOOD_SECONDS = 0.1
TRIES = 3
# Seconds that a monotonic clock may be off after one second: ten times what quartz is.
DRIFT = 5e-4


def wall_clock() -> Instant:
    """Milliseconds since the epoch. Good for shapes, sessions and mail; holds are timed by their actors."""
    return time.time_ns() // 1_000_000


class SharedClock:
    """Milliseconds on the database's clock, so that hosts with wrong clocks agree; its own until the first look."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[float]],
        *,
        own: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ask` gives the database's time in seconds since 1970, or raises StoreUnavailableError; `own` is ours."""
        self._ask = ask
        self._monotonic = monotonic
        self._offset = own() - monotonic()
        self._looked = monotonic()
        self._error = math.inf

    def now(self) -> Instant:
        """Milliseconds since the epoch."""
        return int((self._monotonic() + self._offset) * 1000)

    async def refresh(self) -> None:
        """Asks the database. Of its answers the one counts that is least unsure, also among those of earlier looks.

        Raises StoreUnavailableError: nobody decides anything before the first answer.
        """
        for _ in range(TRIES):
            asked = self._monotonic()
            answer = await self._ask()
            heard = self._monotonic()
            error = (heard - asked) / 2
            if error < self._error + DRIFT * (heard - self._looked):
                self._offset, self._error, self._looked = answer - (asked + heard) / 2, error, heard
            if heard - asked <= GOOD_SECONDS:
                return

    async def run(self) -> None:
        """Keeps the offset fresh until cancelled; while the database is away it stays as it was."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(StoreUnavailableError):
                await self.refresh()
