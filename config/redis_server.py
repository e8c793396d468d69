"""Whether the Redis of REDIS_URL is one that the market can use: asked once, when the market starts."""

from collections.abc import Mapping
from typing import Any

import redis
import structlog

_SECONDS = 2.0

log = structlog.get_logger()


class UnsuitableRedisError(Exception):
    """The market cannot use this Redis; the message is one line that says what to do."""


def check(url: str) -> None:
    """Warn of a Redis that forgets. Raises UnsuitableRedisError for a cluster.

    One that is away, or does not tell, is not held up: people can buy without it.
    """
    try:
        with redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            told = client.info()
    except (redis.RedisError, OSError) as error:
        log.warning("redis_not_asked", error=type(error).__name__)
        return
    for fault in faults(told):
        log.warning("redis_forgets", fault=fault)


def faults(told: Mapping[str, Any]) -> list[str]:
    """Return what a Redis that tells this about itself would lose, each as one line that says what to do.

    Raises UnsuitableRedisError for a cluster.
    """
    if told.get("cluster_enabled"):
        raise UnsuitableRedisError(
            "REDIS_URL is a node of a Redis Cluster, which the market cannot use: set it to a single Redis"
        )
    lines = []
    # Policies that begin with `volatile-` take what ends anyway: limits, and never the events.
    if told.get("maxmemory") and str(told.get("maxmemory_policy", "")).startswith("allkeys-"):
        lines.append("Redis deletes events when its memory is full: set its maxmemory-policy to noeviction")
    if told.get("aof_enabled") == 0:
        lines.append("a restart of Redis loses where consumers of events are: set its appendonly to yes")
    return lines
