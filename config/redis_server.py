"""Whether the Redis of REDIS_URL is one that the market can use: asked once, when the market starts."""

import redis
import structlog

_SECONDS = 2.0

log = structlog.get_logger()


class UnsuitableRedisError(Exception):
    """The market cannot use this Redis; the message is one line that says what to do."""


def check(url: str) -> None:
    """Warn of a Redis that forgets, and raise UnsuitableRedisError for a cluster.

    One that is away, or does not tell, is not held up: people can buy without it.
    """
    try:
        with redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            told = client.info()
    except (redis.RedisError, OSError) as error:
        log.warning("Redis was not asked what it is", error=type(error).__name__)
        return
    if told.get("cluster_enabled"):
        raise UnsuitableRedisError(
            "REDIS_URL is a node of a Redis Cluster, which the market cannot use: set it to a single Redis"
        )
    # Policies that begin with `volatile-` take what ends anyway: limits, and never the events.
    policy = str(told.get("maxmemory_policy", ""))
    if told.get("maxmemory") and policy.startswith("allkeys-"):
        log.warning(
            "Redis deletes events when its memory is full: set its maxmemory-policy to noeviction", policy=policy
        )
