"""Who changed something a moment ago: in the memory of every replica, for clients that keep the session cookie only."""

import asyncio
import time
from collections.abc import Callable

import structlog
from redis.asyncio import Redis

from actors.domain.ids import is_id
from actors.runtime.bounded_dict import BoundedDict
from serve_app.accounts.channel import REDIS_FAILURES, keep_listening

logger = structlog.get_logger(__name__)
# Longer than a query may take (see `actors/storage/database.py`) and its answer be kept (see `coalescing_cache.py`).
REMEMBERED_SECONDS = 15
_CHANNEL = "holdfast:changed-users"
_MOST = 100_000
# A message costs its replica 0.25 ms, the hearing of it included (measured). So the first change is published at once,
# and those of this long after it together: at most 50 messages a second.
_GATHERING_SECONDS = 0.02
_RECONNECT_SECONDS = 1.0


class ChangedUsers:
    """The users whose lists have to be read anew. Replicas tell each other through Redis, while nobody waits.

    A replica hears of a change at another one some milliseconds later, and not at all while Redis is away. Browsers
    have a cookie besides, which needs neither (see `read_your_writes.py`).
    """

    def __init__(self, redis: Redis, now: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._now = now
        self._until: BoundedDict[str, float] = BoundedDict(_MOST)
        self._untold: set[str] = set()
        self._has_news = asyncio.Event()

    def note(self, user_id: str) -> None:
        """Remember that the user changed something that lists show."""
        self._remember(user_id)
        # While Redis is away for long: more than this are not remembered either.
        if len(self._untold) < _MOST:
            self._untold.add(user_id)
        self._has_news.set()

    def has_changed(self, user_id: str) -> bool:
        """Whether the user changed something in the last 15 seconds, at this replica or another."""
        return self._now() < self._until.get(user_id, 0.0)

    async def keep_telling(self) -> None:
        """Tell the other replicas what was noted here, until cancelled.

        A replica that is alone does so as well: Serve may start more at any time, and a replica is not told of them.
        """
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            told, self._untold = self._untold, set()
            try:
                await self._redis.publish(_CHANNEL, " ".join(told))
                await asyncio.sleep(_GATHERING_SECONDS)
            except REDIS_FAILURES:
                logger.warning("changed_users_not_told", users=len(told))
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def keep_hearing(self) -> None:
        """Remember what other replicas tell, until cancelled."""
        await keep_listening(self._redis, _CHANNEL, self._hear, reconnect_seconds=_RECONNECT_SECONDS)

    def _hear(self, told: bytes) -> None:
        # Whatever else somebody sends on the channel is no user.
        for user_id in filter(is_id, told.decode(errors="replace").split()):
            self._remember(user_id)

    def _remember(self, user_id: str) -> None:
        now = self._now()
        self._until[user_id] = now + REMEMBERED_SECONDS
        # In the order of their ends: what is over stands first.
        while self._until[oldest := next(iter(self._until))] <= now:
            del self._until[oldest]
