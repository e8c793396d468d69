"""Our own consumers of the event stream: a durable subscription as a duty."""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Redis

from actors.storage.database import Database
from actors.storage.subscriptions import MongoPositions
from holdfast.events import Client, Event, History, Message, Subscription, connect

# Nothing of ours becomes a dead letter: an event whose handling fails is handled again by the duty's next run.
MAX_DELIVER = 1_000_000

Handle = Callable[[Event], Awaitable[None]]
# Given a durable's name, its subjects and what handles an event: the way to wait for one and handle it.
Subscribe = Callable[[str, Sequence[str], Handle], Callable[[], Awaitable[None]]]


class Consumer:
    """Hands the events of these subjects to `handle`, one by one and each at least once."""

    def __init__(  # noqa: PLR0913 - what a subscription rests on
        self,
        durable: str,
        subjects: Sequence[str],
        handle: Handle,
        *,
        redis: Redis,
        database: Database,
        history: History,
    ) -> None:
        self._durable = durable
        self._subjects = subjects
        self._handle = handle
        # Another one in each life of the process: the former one's is in use until Redis takes it for dead.
        client_id = f"{durable}-{secrets.token_hex(8)}"
        self._connecting = connect(
            redis=redis, client_id=client_id, history=history, positions=MongoPositions(database)
        )
        self._client: Client | None = None
        self._subscription: Subscription | None = None
        self._in_hand: Message | None = None

    async def run_once(self) -> None:
        """Wait for an event and handle it. Raises what `handle` raises: then the next run handles the same event."""
        if self._subscription is None:
            self._subscription = await self._subscribe()
        if self._in_hand is None:
            self._in_hand = await anext(self._subscription)
        await self._in_hand.in_progress()
        await self._handle(self._in_hand.event)
        await self._in_hand.ack()
        self._in_hand = None

    async def close(self) -> None:
        """Leave what is not handled to the next life."""
        if self._client is not None:
            await self._client.close()

    async def _subscribe(self) -> Subscription:
        self._client = await self._connecting
        return await self._client.subscribe(
            self._subjects, durable=self._durable, queue_group=self._durable, deliver="all", max_deliver=MAX_DELIVER
        )
