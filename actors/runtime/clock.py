"""One clock for all hosts: the database's, kept by the monotonic clock between looks at it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from actors.runtime.ports import Instant, StoreUnavailableError

REFRESH_SECONDS = 10.0


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

    def now(self) -> Instant:
        """Milliseconds since the epoch."""
        return int((self._monotonic() + self._offset) * 1000)

    async def refresh(self) -> None:
        """Asks the database once; while it is away the offset stays as it was."""
        asked = self._monotonic()
        try:
            answer = await self._ask()
        except StoreUnavailableError:
            return
        # The answer was made about half way between asking and hearing.
        self._offset = answer - (asked + self._monotonic()) / 2

    async def run(self) -> None:
        """Keeps the offset fresh until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()
