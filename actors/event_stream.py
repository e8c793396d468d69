"""Committed events to one Redis Stream, for whoever wants to know: consumers, live pages, webhooks."""

from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.domain.codec import encode
from actors.domain.messages import ChargeIntentCreated, ChargeRefunding, ChargeTried
from actors.runtime.ports import Recorded, StoreUnavailableError

STREAM = "holdfast:events"
# The journal keeps everything; the stream keeps what a consumer that was away for a while may have missed.
MAX_LENGTH = 1_000_000

# Steps between us and Stripe, of no meaning to anyone else.
INTERNAL = (ChargeTried, ChargeIntentCreated, ChargeRefunding)
# What a charge keeps for itself.
PRIVATE = ("payment_method", "tries", "request")

logger = structlog.get_logger(__name__)


class RedisEventStream:
    """The stream in Redis. An event's `id` field is the same however often it is published."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, records: Sequence[Recorded]) -> None:
        """Appends the events in order, in one round trip. Raises StoreUnavailableError."""
        records = [record for record in records if not isinstance(record.event, INTERNAL)]
        if not records:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for record in records:
                    pipeline.xadd(STREAM, _fields(record), maxlen=MAX_LENGTH, approximate=True)
                await pipeline.execute()
        except (TimeoutError, RedisError, OSError) as error:
            logger.warning("event_stream_unavailable", error=type(error).__name__)
            raise StoreUnavailableError(type(error).__name__) from error


def _fields(record: Recorded) -> dict[Any, Any]:
    data = encode(record.event)
    for payload in data.values():
        if isinstance(payload, dict):
            for name in PRIVATE:
                payload.pop(name, None)
    return {
        "id": record.key,
        "type": type(record.event).__name__,
        "entity": record.entity,
        "version": record.version,
        "at": record.at,
        "data": orjson.dumps(data),
    }
