"""What security reviews ask for: who signed in, or tried to, and whose access was changed, in the log and the journal.

Ids only: no address, no password, no token (OWASP, Logging Cheat Sheet).
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict

import structlog
from bson import ObjectId

from actors.domain.accounts import SecurityEvent
from actors.domain.messages import Instant
from actors.runtime.ports import Commit, FencedError, Journal, Recorded, StoreUnavailableError

_log = structlog.get_logger()
_FLUSH_SECONDS = 1.0
_LARGEST_COMMIT = 500
_MOST_WAITING = 10_000


class SecurityEvents:
    """Logs each event at once, and writes those of a second into the journal in one commit.

    Nobody waits for that: a crash can lose the last second from the journal, not from the log. While the database is
    away ten thousand are kept; what comes then is in the log only.
    """

    def __init__(self, journal: Journal, clock: Callable[[], Instant]) -> None:
        self._journal = journal
        self._clock = clock
        # Nobody else writes under this name, and its commits carry no events that are applied or published.
        self._writer = f"security-{ObjectId()}"
        self._seq = 0
        self._noted = 0
        self._waiting: list[Recorded] = []
        self._dropped = 0

    def note(self, event: SecurityEvent) -> None:
        """Take note of the event."""
        _log.info("security", event_type=type(event).__name__, **asdict(event))
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped += 1
            return
        self._noted += 1
        self._waiting.append(Recorded(self._writer, self._noted, self._clock(), event))

    async def run(self) -> None:
        """Write what was noted, every second, until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
            except StoreUnavailableError:
                _log.warning("security events wait for the database", waiting=len(self._waiting))

    async def flush(self) -> None:
        """Write all that was noted. Raises StoreUnavailableError; what is not written then stays noted."""
        if self._dropped:
            _log.warning("security events are missing from the journal", missing=self._dropped)
            self._dropped = 0
        while self._waiting:
            records = tuple(self._waiting[:_LARGEST_COMMIT])
            keys = tuple(record.key for record in records)
            try:
                await self._journal.append(Commit(self._writer, self._seq + 1, records[0].at, keys, records))
            except FencedError:
                _log.error("security events have been written by somebody else", writer=self._writer)
            self._seq += 1
            del self._waiting[: len(records)]
