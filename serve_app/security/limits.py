"""How often somebody may try: counted in Redis for all replicas, in memory while Redis is away."""

import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from actors.domain.ids import fingerprint
from serve_app.errors import NotAuthorizedError, TooManyRequestsError

_log = structlog.get_logger()
_SIGNINS_PER_ACCOUNT = RateLimitItemPerMinute(10, 5, namespace="signin-account")
_SIGNINS_PER_ADDRESS = RateLimitItemPerMinute(60, 5, namespace="signin-address")
# Half of what one thread can verify. All of them at once are an attack, and buying goes on meanwhile.
_SIGNINS_OF_ALL = RateLimitItemPerMinute(6_000, 5, namespace="signin-all")
_SIGNUPS_PER_ADDRESS = RateLimitItemPerHour(600, 1, namespace="signup-address")
# Nobody's inbox is filled with our mail.
_MAILS_PER_ACCOUNT = RateLimitItemPerHour(5, 1, namespace="mails-account")
_MAILS_PER_ADDRESS = RateLimitItemPerHour(60, 1, namespace="mails-address")
_TOKENS_PER_ADDRESS = RateLimitItemPerHour(120, 1, namespace="tokens-address")
_REDIS_SECONDS = 0.5


class Limits:
    """The limits of section 4 of the design. `enabled=False` lifts them, for load tests."""

    def __init__(self, redis_url: str, *, enabled: bool) -> None:
        self._enabled = enabled
        self._connections = ConnectionPool.from_url(
            redis_url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            key_prefix="holdfast:limits",
            # Documented, but missing in the type hint.
            connection_pool=self._connections,  # type: ignore[arg-type]
        )
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())

    async def close(self) -> None:
        """Let go of the connections to Redis."""
        await self._connections.aclose()

    @asynccontextmanager
    async def signin(self, email_key: str, address: str) -> AsyncIterator[None]:
        """Count a sign-in that fails with NotAuthorizedError inside this context.

        It is counted before and given back if it did not fail, so that attempts in parallel are limited as well.
        Raises TooManyRequestsError with the seconds to wait.
        """
        limits = [
            (_SIGNINS_PER_ACCOUNT, fingerprint(email_key)),
            (_SIGNINS_PER_ADDRESS, address),
            (_SIGNINS_OF_ALL, "all"),
        ]
        taken: list[tuple[RateLimitItem, str]] = []
        try:
            for limit, who in limits:
                await self._take(limit, who)
                taken.append((limit, who))
        except TooManyRequestsError:
            # What one limit refuses does not use up the others: nobody locks out everybody by asking on.
            await self._give_back(taken)
            raise
        failed = False
        try:
            yield
        except NotAuthorizedError:
            failed = True
            raise
        finally:
            if not failed:
                await self._give_back(limits)

    async def signup(self, address: str) -> None:
        """Count a sign-up. Raises TooManyRequestsError with the seconds to wait."""
        await self._take(_SIGNUPS_PER_ADDRESS, address)

    async def mail(self, email_key: str, address: str) -> None:
        """Count a mail that somebody asks for. Raises TooManyRequestsError with the seconds to wait."""
        await self._take(_MAILS_PER_ADDRESS, address)
        await self._take(_MAILS_PER_ACCOUNT, fingerprint(email_key))

    async def token(self, address: str) -> None:
        """Count a token from a mail that somebody tries. Raises TooManyRequestsError with the seconds to wait."""
        await self._take(_TOKENS_PER_ADDRESS, address)

    async def _give_back(self, taken: Sequence[tuple[RateLimitItem, str]]) -> None:
        for limit, who in taken:
            await self._count(limit, who, cost=-1)

    async def _take(self, limit: RateLimitItem, who: str) -> None:
        seconds = await self._count(limit, who)
        if seconds is not None:
            raise TooManyRequestsError("Too many attempts. Wait a little before the next one.", retry_after=seconds)

    async def _count(self, limit: RateLimitItem, who: str, cost: int = 1) -> int | None:
        if not self._enabled:
            return None
        try:
            return await _hit(self._shared, limit, who, cost)
        except (RedisError, OSError, TimeoutError):
            _log.warning("redis does not answer; limits are counted by each replica for itself")
            return await _hit(self._own, limit, who, cost)


async def _hit(counter: FixedWindowRateLimiter, limit: RateLimitItem, who: str, cost: int) -> int | None:
    """Return None when the hit is within the limit, else the seconds until the window ends."""
    if await counter.hit(limit, who, cost=cost):
        return None
    window = await counter.get_window_stats(limit, who)
    return max(1, math.ceil(window.reset_time - time.time()))
