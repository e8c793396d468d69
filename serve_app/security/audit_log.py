"""What security reviews ask for: who signed in, or tried to, and whose access was changed, in the log and stored.

Ids only: no address, no password, no token (OWASP, Logging Cheat Sheet).
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import structlog

from actors.domain.account_events import SecurityEvent, SignInFailed
from actors.domain.instants import Instant
from actors.runtime.ports import StoreUnavailableError
from actors.storage.security_events import SecurityEventRecords, document_of

logger = structlog.get_logger(__name__)
_FLUSH_SECONDS = 1.0
_CLEANING_MS = 3_600_000
_LARGEST_INSERT = 500
_MOST_WAITING = 10_000
# Anybody can fail to sign in. So many a minute are stored one by one, 2.6 million in 90 days at the most; all others of
# the minute are one record with their number.
_FAILURES_A_MINUTE = 20
_MINUTE_MS = 60_000


class AuditLog:
    """Logs each event at once, and stores those of a second together, for 90 days.

    Nobody waits for that: a crash can lose the last second, not from the log. While the database is away ten thousand
    are kept; what comes then is in the log only.
    """

    def __init__(self, records: SecurityEventRecords, clock: Callable[[], Instant]) -> None:
        self._records = records
        self._clock = clock
        self._waiting: list[dict[str, Any]] = []
        self._dropped = 0
        self._minute: Instant = 0
        self._failures = 0
        self._cleaned: Instant = 0

    def record(self, event: SecurityEvent) -> None:
        """Record the event."""
        logger.info("security", event_type=type(event).__name__, **asdict(event))
        now = self._clock()
        if isinstance(event, SignInFailed):
            self._begin_minute(now)
            self._failures += 1
            if self._failures > _FAILURES_A_MINUTE:
                return
        self._keep(event, now)

    async def run(self) -> None:
        """Store what was noted, every second, and drop what is old, until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
                await self._clean()
            except StoreUnavailableError:
                logger.warning("security_events_wait_for_the_database", waiting=len(self._waiting))

    async def flush(self) -> None:
        """Store all that was noted. Raises StoreUnavailableError; what is not stored then stays noted."""
        self._begin_minute(self._clock())
        if self._dropped:
            logger.warning("security_events_not_stored", missing=self._dropped)
            self._dropped = 0
        while self._waiting:
            documents = self._waiting[:_LARGEST_INSERT]
            await self._records.add(documents)
            del self._waiting[: len(documents)]

    def _begin_minute(self, now: Instant) -> None:
        """Keep the number of the failures of the last minute that were not kept one by one."""
        if now // _MINUTE_MS == self._minute:
            return
        more = self._failures - _FAILURES_A_MINUTE
        if more > 0:
            self._keep(SignInFailed(), now, more)
        self._minute, self._failures = now // _MINUTE_MS, 0

    def _keep(self, event: SecurityEvent, at: Instant, count: int = 1) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped += 1
        else:
            self._waiting.append(document_of(event, at, count))

    async def _clean(self) -> None:
        now = self._clock()
        if now - self._cleaned >= _CLEANING_MS:
            await self._records.drop_old(now)
            self._cleaned = now
