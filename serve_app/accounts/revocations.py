"""Which sessions ended before their time: known in memory by every replica, so that requests wait for nothing."""

import asyncio
import re
from collections.abc import Callable

import structlog
from pymongo.errors import PyMongoError
from redis.asyncio import Redis

from actors.domain.instants import Instant
from actors.storage.revocations import RevocationRecords
from holdfast.cancellation import cancel_until_ended
from serve_app.accounts.channel import REDIS_FAILURES, keep_listening

_log = structlog.get_logger()
_CHANNEL = "holdfast:revocations"
_POLL_SECONDS = 2.0
_RECONNECT_SECONDS = 5.0
_STOP_SECONDS = 2.0
# Replicas stamp with their own clocks, and a stamp is older than its insert: look back further than both can differ.
_OVERLAP_MS = 120_000
_REVOCATION = re.compile(rb"([0-9A-Za-z_-]{1,64}) ([0-9]{1,15})")
_CLEANING_MS = 3_600_000


class Revocations:
    """The revoked sessions. MongoDB makes them last; Redis only tells other replicas sooner."""

    def __init__(
        self, records: RevocationRecords, redis: Redis, lifetime_ms: int, clock: Callable[[], Instant]
    ) -> None:
        self._records = records
        self._redis = redis
        self._lifetime_ms = lifetime_ms
        self._clock = clock
        self._ends: dict[str, Instant] = {}
        self._seen: Instant = 0
        self._cleaned: Instant = 0
        self._tasks: list[asyncio.Task[None]] = []

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._ends

    async def start(self) -> None:
        """Learn of all revocations, then keep learning. Raises pymongo's ConnectionFailure."""
        await self.refresh()
        listening = keep_listening(self._redis, _CHANNEL, self._hear, reconnect_seconds=_RECONNECT_SECONDS)
        self._tasks = [asyncio.create_task(self._keep_looking()), asyncio.create_task(listening)]

    async def stop(self) -> None:
        """End the background work."""
        await cancel_until_ended(self._tasks, _STOP_SECONDS)

    async def revoke(self, session_id: str, expires_at: Instant) -> None:
        """End the session for good: durable when this returns. Raises pymongo's ConnectionFailure."""
        await self._records.add(session_id, self._clock(), expires_at)
        self._ends[session_id] = expires_at
        try:
            await self._redis.publish(_CHANNEL, f"{session_id} {expires_at}")
        except REDIS_FAILURES:
            _log.warning("revocation_not_broadcast")

    async def refresh(self) -> None:
        """Learn what is new and forget sessions that are over anyway. Raises pymongo's ConnectionFailure."""
        now = self._clock()
        oldest = now - self._lifetime_ms - _OVERLAP_MS
        new = await self._records.since(max(self._seen - _OVERLAP_MS, oldest))
        if now - self._cleaned > _CLEANING_MS:
            await self._records.drop_before(oldest)
            self._cleaned = now
        self._seen = now
        self._ends = {session: end for session, end in (self._ends | new).items() if end > now}

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self.refresh()
            except PyMongoError:
                _log.warning("revocations_not_read")

    def _hear(self, told: bytes) -> None:
        """Learn of one revocation. Others may write to the channel: what none of us says changes nothing."""
        match = _REVOCATION.fullmatch(told)
        if match is None:
            _log.warning("revocation_not_understood")
            return
        latest = self._clock() + self._lifetime_ms + _OVERLAP_MS
        self._ends[match[1].decode()] = min(int(match[2]), latest)
