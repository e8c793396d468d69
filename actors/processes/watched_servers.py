"""What the Supervisor looks at every ten seconds for the metrics: database, Redis, consumers of events, and money."""

import asyncio
from collections.abc import Callable, Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.metrics.servers import Money, ServerState
from actors.runtime.ports import Instant, StoreUnavailableError
from actors.storage.database import Database, reaching_the_database
from actors.storage.failed_refunds import FailedRefunds
from actors.storage.unsettled import Unsettled
from holdfast.events import GroupStatus, groups

ANSWER_SECONDS = 5.0
# A purchase takes seconds. What stands still for so long is not resumed, or Stripe does not say what became of it.
STUCK_MS = 300_000
MOST_COUNTED = 1_000
MOST_REFUNDS_COUNTED = 100


class WatchedServers:
    """See metrics.servers.Servers."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        now: Callable[[], Instant],
        webhook_tries: Callable[[], Mapping[str, int]],
    ) -> None:
        self._unsettled = Unsettled(database)
        self._failed_refunds = FailedRefunds(database)
        self._redis = redis
        self._now = now
        self._webhook_tries = webhook_tries

    async def state(self) -> ServerState:
        """Return what is known within five seconds; a server that says nothing is away."""
        money, statuses = await asyncio.gather(self._money(), self._groups())
        return ServerState(money, statuses, dict(self._webhook_tries()))

    async def _money(self) -> Money | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                now = self._now()
                oldest_seconds = await self._unsettled.oldest_seconds(now)
                stuck = await self._unsettled.orders_before(now - STUCK_MS, MOST_COUNTED)
                with reaching_the_database():
                    failed = await self._failed_refunds.page(MOST_REFUNDS_COUNTED)
        except (StoreUnavailableError, TimeoutError):
            return None
        return Money(oldest_seconds, stuck, len(failed.items))

    async def _groups(self) -> list[GroupStatus] | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await groups(self._redis)
        except (RedisError, OSError, TimeoutError):
            return None
