"""Reads the event stream for the live feed: which tickets changed, and nothing more."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.event_stream import STREAM

logger = structlog.get_logger(__name__)
_NEWEST = "$"
_MOST_AT_A_TIME = 1_000
_WAIT_MS = 1_000
_RETRY_SECONDS = 1.0
# Hundreds of events come a second at an on-sale: they are read together.
_REST_SECONDS = 0.05
_TICKET = "ticket:"


class EventReader:
    """One for each replica. Events of tickets also tell of their orders."""

    def __init__(self, redis: Redis, on_changed: Callable[[str], None], on_gap: Callable[[], None]) -> None:
        self._redis = redis
        self._on_changed = on_changed
        self._on_gap = on_gap
        self._position = _NEWEST

    async def run(self) -> None:
        """Tell of every ticket that changed, until cancelled; after Redis was away, that any may have."""
        while True:
            try:
                await self._read()
            except (RedisError, OSError, TimeoutError) as error:
                logger.warning("live_events_unavailable", error=type(error).__name__)
                # Redis may come back emptied: what was missed is asked of the actors instead.
                self._position = _NEWEST
                await asyncio.sleep(_RETRY_SECONDS)
                self._on_gap()

    async def _read(self) -> None:
        answer: Any = await self._redis.xread({STREAM: self._position}, count=_MOST_AT_A_TIME, block=_WAIT_MS)
        entries = answer[0][1] if answer else ()
        for entry_id, fields in entries:
            self._position = entry_id.decode()
            entity = fields.get(b"entity", b"").decode(errors="replace")
            if entity.startswith(_TICKET):
                self._on_changed(entity.removeprefix(_TICKET))
        if entries:
            await asyncio.sleep(_REST_SECONDS)
