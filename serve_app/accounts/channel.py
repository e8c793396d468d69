"""What replicas tell each other: messages on a channel of Redis, which are lost while Redis is away."""

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

REDIS_FAILURES = (RedisError, OSError, TimeoutError)


async def keep_listening(
    redis: Redis, name: str, on_message: Callable[[bytes], None], *, reconnect_seconds: float
) -> None:
    """Pass on what is published on the channel, until cancelled. Anybody with access to Redis may publish."""
    while True:
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe(name)
                async for message in channel.listen():
                    if message["type"] == "message":
                        on_message(message["data"])
        except REDIS_FAILURES:
            await asyncio.sleep(reconnect_seconds)
