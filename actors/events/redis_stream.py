"""Committed events to one Redis Stream, for whoever wants to know: consumers, live pages, webhooks."""

from collections.abc import Sequence
from itertools import chain

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.domain.charge_events import (
    ChargeIntentCancelled,
    ChargeIntentCreated,
    ChargeRefunding,
    ChargeRetryScheduled,
)
from actors.domain.codec import encode_event
from actors.runtime.ports import RecordedEvent, StoreUnavailableError

STREAM = "holdfast:events"
# The journal keeps everything; the stream keeps what a consumer that was away may have missed: at most so
# many events, and fewer when they are large. The largest description makes one of 20 KB: a million of them are 20 GB.
MAX_LENGTH = 1_000_000
MAX_BYTES = 512 * 1024**2
# What an entry takes in Redis besides its values (measured; the names of its fields are kept once).
ENTRY_BYTES = 60
# Large events are noticed after so many: until then the stream is too long by as many of them.
_AVERAGE_OVER = 2_000

# Steps between us and Stripe, of no meaning to anyone else.
INTERNAL = (ChargeRetryScheduled, ChargeIntentCreated, ChargeIntentCancelled, ChargeRefunding)
# What a charge keeps for itself.
PRIVATE = ("payment_method", "tries", "capture_refusals", "request")

# One command for all: made one by one, XADDs took the client 60 microseconds each, and 30 % of a ticket actor's time.
_FIELDS = ("id", "type", "entity", "version", "at", "data")
_APPEND = f"""
for i = 2, #ARGV, {len(_FIELDS)} do
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
        {", ".join(f"'{name}', ARGV[i + {place}]" for place, name in enumerate(_FIELDS))})
end
"""

logger = structlog.get_logger(__name__)


class RedisEventStream:
    """The stream in Redis, of about `max_bytes` at most. An event's `id` is the same however often it is published."""

    def __init__(self, redis: Redis, *, max_bytes: int = MAX_BYTES) -> None:
        self._append = redis.register_script(_APPEND)
        self._max_bytes = max_bytes
        self._average = max_bytes / MAX_LENGTH

    async def publish(self, records: Sequence[RecordedEvent]) -> None:
        """Appends the events in order, in one round trip. Raises StoreUnavailableError."""
        records = [record for record in records if not isinstance(record.event, INTERNAL)]
        if not records:
            return
        entries = [_values(record) for record in records]
        for entry in entries:
            self._average += (_bytes_of(entry) - self._average) / _AVERAGE_OVER
        longest = min(MAX_LENGTH, int(self._max_bytes / self._average))
        try:
            await self._append([STREAM], [longest, *chain.from_iterable(entries)])
        except (TimeoutError, RedisError, OSError) as error:
            logger.warning("event_stream_unavailable", error=type(error).__name__)
            raise StoreUnavailableError(type(error).__name__) from error


def _bytes_of(entry: tuple[str | int | bytes, ...]) -> int:
    return ENTRY_BYTES + sum(len(value) for value in entry if not isinstance(value, int))


def _values(record: RecordedEvent) -> tuple[str | int | bytes, ...]:
    # An event that this release does not understand is passed on as it is stored: consumers pass over its type.
    event = encode_event(record.event)
    data = event["data"]
    for payload in data.values():
        if isinstance(payload, dict):
            for name in PRIVATE:
                payload.pop(name, None)
    return record.key, event["type"], record.entity, record.version, record.at, orjson.dumps(data)
