"""The running market's Redis, for commands that look at its events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from cli.running_market import with_redis
from config.settings import Settings

_SECONDS = 5.0


class RedisUnusableError(Exception):
    """Redis does not answer, or refuses; the message is one line that says what to do."""


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncIterator[Redis]:
    """Connect to it. Raises NotRunningError, and RedisUnusableError, also for what happens in the block."""
    url = str(with_redis(settings).redis_url)
    try:
        async with Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as redis:
            await redis.ping()
            yield redis
    except (AuthenticationError, NoPermissionError) as error:
        raise RedisUnusableError("Redis refuses us: REDIS_URL needs a user and password that may do this") from error
    except RedisError as error:
        name = type(error).__name__
        raise RedisUnusableError(
            f"Redis does not answer ({name}): start it, or set REDIS_URL to where it is"
        ) from error
