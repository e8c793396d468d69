"""Whether a replica can do its work."""

import asyncio

from redis.exceptions import RedisError

from holdfast.events.partitions import STREAM_KEYS
from serve_app.http.errors import ServiceUnavailableError
from serve_app.services import Services

_ANSWER_SECONDS = 3.0
_PROBE = "holdfast:ready"
_PROBE_SECONDS = 60


async def what_is_away(services: Services) -> list[str]:
    """Return the names of what is away although buying goes on, such as Redis.

    Raises ServiceUnavailableError when the database or the actors do not answer within three seconds.
    """
    is_ready, has_redis = await asyncio.gather(_market_answers(services), _takes_events(services))
    if not is_ready:
        raise ServiceUnavailableError("The database or the actors do not answer, or their number is another one here.")
    return [] if has_redis else ["redis"]


async def _market_answers(services: Services) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await services.market.is_ready()
    except TimeoutError:
        return False


async def _takes_events(services: Services) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            # A write as well: one that is full, a replica or a node of a cluster answers everything else.
            async with services.redis.pipeline(transaction=False) as asked:
                asked.set(_PROBE, 1, ex=_PROBE_SECONDS)
                for stream in STREAM_KEYS:
                    asked.type(stream)
                _, *kinds = await asked.execute()
    except (RedisError, OSError, TimeoutError):
        return False
    return {b"none", b"stream"}.issuperset(kinds)
