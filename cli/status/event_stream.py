"""The market's Redis: whether it answers, and how far the groups are that read the event stream."""

import time

from cli.events.groups import as_json
from cli.market_redis import RedisUnusableError, open_redis
from cli.running_market import NotRunningError
from cli.status.away import AwayError, answered, in_time
from cli.status.document import GroupLag, ServerStatus
from config.settings import Settings
from holdfast.events import groups


async def look(settings: Settings) -> tuple[ServerStatus, list[GroupLag]]:
    """Return that it answers, and the groups. Raises AwayError."""
    try:
        async with in_time(), open_redis(settings) as redis:
            began = time.monotonic()
            await redis.ping()
            server = answered(began)
            return server, [as_json(status) for status in await groups(redis)]
    except (NotRunningError, RedisUnusableError) as error:
        raise AwayError(str(error)) from error
