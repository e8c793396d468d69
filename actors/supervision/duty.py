"""Background work: something that is done again and again, and that is done later when the database is away.

A new one is a `Duty` in `processes/supervisor.py`, or in `mail/__init__.py` if it is about mail.
"""

import asyncio
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import structlog

from actors.runtime.ports import HostUnreachableError, Instant, StoreUnavailableError

# After a failure the pause doubles, up to so many times the duty's own, and lasts a second at least.
LONGEST_PAUSE_FACTOR = 4
SHORTEST_PAUSE_SECONDS = 1.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """`run_once` may raise StoreUnavailableError or HostUnreachableError; anything else it raises is a bug.

    Between two runs are `every_seconds`; a duty that waits by itself has none.
    """

    name: str
    every_seconds: float
    run_once: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class DutyStatus:
    """`last_run_at` is the instant at which the last run that did not fail ended, None before the first."""

    every_seconds: float
    runs: int = 0
    failures: int = 0
    last_run_at: Instant | None = None
    last_failure: str | None = None


class Duties:
    """Runs duties side by side, and knows how each of them does."""

    def __init__(self, duties: Sequence[Duty], now: Callable[[], Instant]) -> None:
        self._duties = duties
        self._now = now
        self._status = {duty.name: DutyStatus(duty.every_seconds) for duty in duties}

    def status(self) -> dict[str, dict[str, Any]]:
        """Return how each duty does, by name, in plain values."""
        names = [field.name for field in fields(DutyStatus)]
        return {name: {one: getattr(status, one) for one in names} for name, status in self._status.items()}

    async def run(self) -> None:
        """Do everything, until cancelled. Raises what a duty raises that is a bug."""
        async with asyncio.TaskGroup() as tasks:
            for duty in self._duties:
                tasks.create_task(self._keep_doing(duty), name=duty.name)

    async def _keep_doing(self, duty: Duty) -> None:
        status, failed_in_a_row = self._status[duty.name], 0
        while True:
            try:
                await duty.run_once()
            except (StoreUnavailableError, HostUnreachableError) as error:
                failed_in_a_row += 1
                status.failures += 1
                status.last_failure = type(error).__name__
                logger.warning("duty_postponed", duty=duty.name, error=str(error), failures=failed_in_a_row)
            else:
                failed_in_a_row = 0
                status.runs += 1
                status.last_run_at = self._now()
            await sleep(_pause_seconds(duty, failed_in_a_row))


def _pause_seconds(duty: Duty, failed_in_a_row: int) -> float:
    if not failed_in_a_row:
        return duty.every_seconds
    longest_seconds = max(SHORTEST_PAUSE_SECONDS, duty.every_seconds * LONGEST_PAUSE_FACTOR)
    return min(longest_seconds, max(SHORTEST_PAUSE_SECONDS, duty.every_seconds) * 2.0 ** (failed_in_a_row - 1))
