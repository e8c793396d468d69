"""A durable subscription to the event stream: whoever reads goes on where they stopped, also after a death.

The position lives in MongoDB, so that it is as durable as what was made of the events. Events come at least once. Those
that left the stream before they were read are missed: it keeps about a million, and Redis can lose its last second when
its machine dies.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.events.redis_stream import STREAM
from actors.runtime.ports import Instant, StoreUnavailableError
from actors.storage.database import Database, despite_contention, reaching_the_database

BATCH = 500
WAIT_MS = 1_000
BEGINNING = "0-0"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event as the stream has it."""

    type: str
    entity: str
    version: int
    at: Instant
    data: dict[str, Any]


Handle = Callable[[Sequence[StreamEvent]], Awaitable[None]]
# Given a subscriber's name, the types that it wants and what handles them: the way to wait for one batch and handle it.
Subscribe = Callable[[str, Sequence[str], Handle], Callable[[], Awaitable[None]]]


class Subscription:
    """Hands the events of these types over, in batches and in order."""

    def __init__(
        self,
        name: str,
        types: Sequence[str],
        redis: Redis,
        database: Database,
        handle: Handle,
    ) -> None:
        self._name = name
        self._types = frozenset(types)
        self._redis = redis
        self._positions = database["subscriptions"]
        self._handle = handle
        self._position: str | None = None

    async def wait_and_handle(self) -> None:
        """Handle one batch, waiting for it for a second. Raises StoreUnavailableError: then it is handed over again."""
        try:
            await self.step(WAIT_MS)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(type(error).__name__) from error

    async def step(self, wait_ms: int | None = None) -> int:
        """Handle one batch and keep the position behind it; return how many entries there were.

        Waits at most so long for the first one. Raises StoreUnavailableError and RedisError.
        """
        if self._position is None:
            self._position = await self._load_position()
        # Redis's answer: for each stream its name and its entries, each with an id and fields.
        answer: Any = await self._redis.xread({STREAM: self._position}, count=BATCH, block=wait_ms)
        entries = answer[0][1] if answer else []
        if not entries:
            return 0
        events = [_event(fields) for _, fields in entries if fields[b"type"].decode() in self._types]
        position = entries[-1][0].decode()
        if events:
            await self._handle(events)
            # What is of no interest is skipped again after a restart, for nothing but time.
            await self._save_position(position)
        self._position = position
        return len(entries)

    async def _load_position(self) -> str:
        with reaching_the_database():
            document = await self._positions.find_one({"_id": self._name})
        return BEGINNING if document is None else str(document["position"])

    async def _save_position(self, position: str) -> None:
        with reaching_the_database():
            kept = {"$set": {"position": position}}
            await despite_contention(lambda: self._positions.update_one({"_id": self._name}, kept, upsert=True))


def _event(fields: dict[bytes, bytes]) -> StreamEvent:
    return StreamEvent(
        fields[b"type"].decode(),
        fields[b"entity"].decode(),
        int(fields[b"version"]),
        int(fields[b"at"]),
        orjson.loads(fields[b"data"]),
    )
