"""One clock for all hosts: the database's, kept by the monotonic clock between looks at it."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

import structlog

from actors.runtime.ports import Instant, StoreUnavailableError

REFRESH_SECONDS = 10.0
# An answer was made some time between asking and hearing. One that took this long is asked for again, a few times.
GOOD_SECONDS = 0.1
TRIES = 3
# Seconds that a monotonic clock may be off after one second: ten times what quartz is.
DRIFT = 5e-4
# Another primary has another clock, and processes hear of it at different moments. Up to so many seconds of difference
# are worked off by so much of each second, so that no hold suddenly ends. What is more is taken at once: a machine
# slept, or a server's clock was set, and who starts from now on knows nothing else.
SLEW = 0.05
MOST_SLEWED_SECONDS = 10.0
# How far answers of one clock may be apart beyond what they are unsure: servers tell whole milliseconds.
ANSWERS_APART_SECONDS = 0.05

logger = structlog.get_logger(__name__)


def wall_clock() -> Instant:
    """Milliseconds since the epoch. Good for shapes and sessions; actors go by the database's."""
    return time.time_ns() // 1_000_000


class SharedClock:
    """Milliseconds on the database's clock, so that hosts with wrong clocks agree; its own until the first look.

    It goes forward, a little faster or slower than it should after an election.
    """

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
        self._looked = monotonic()
        # From one offset to another since a time on our monotonic clock: the same where nothing is worked off.
        self._since = self._looked
        self._before = self._offset = own() - self._looked
        self._error = math.inf

    def now(self) -> Instant:
        """Milliseconds since the epoch."""
        monotonic = self._monotonic()
        return int((monotonic + self._offset_at(monotonic)) * 1000)

    def _offset_at(self, monotonic: float) -> float:
        """Seconds between the database's clock and ours."""
        difference = self._offset - self._before
        done = SLEW * (monotonic - self._since)
        return self._offset if abs(difference) <= done else self._before + math.copysign(done, difference)

    async def refresh(self) -> None:
        """Asks the database. Of its answers the one counts that is least unsure, also among those of earlier looks.

        Raises StoreUnavailableError: nobody decides anything before the first answer.
        """
        for _ in range(TRIES):
            asked = self._monotonic()
            answer = await self._ask()
            heard = self._monotonic()
            error = (heard - asked) / 2
            unsure = self._error + DRIFT * (heard - self._looked)
            if error < unsure:
                self._turn_to(answer - (asked + heard) / 2, heard, error + unsure)
                self._error, self._looked = error, heard
            if heard - asked <= GOOD_SECONDS:
                return

    def _turn_to(self, offset: float, heard: float, unsure: float) -> None:
        """Goes by another offset; what cannot be for want of a better answer before is another clock's."""
        before = self._offset_at(heard)
        difference = offset - before
        is_another_clock = abs(difference) > unsure + ANSWERS_APART_SECONDS
        if is_another_clock:
            logger.warning("database_clock_differs", seconds=round(difference, 3))
        self._since, self._offset = heard, offset
        self._before = before if is_another_clock and abs(difference) <= MOST_SLEWED_SECONDS else offset

    async def run(self) -> None:
        """Keeps the offset fresh until cancelled; while the database is away it stays as it was."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(StoreUnavailableError):
                await self.refresh()
