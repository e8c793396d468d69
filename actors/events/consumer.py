"""Our own consumers of the event stream: a durable subscription as a duty."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from redis.asyncio import Redis

from holdfast.events import Client, Deliver, Event, History, Message, Positions, Subscription, connect

# Nothing of ours becomes a dead letter: events whose handling fails are handled again by the duty's next run.
MAX_DELIVER = 1_000_000

# As many are handled together as come within moments, and no two of one entity. Nobody waits for a receipt, and each
# batch costs the database a command and Redis two.
BATCH = 64
LINGER_SECONDS = 0.1

Handle = Callable[[Sequence[Event]], Awaitable[None]]
RunOnce = Callable[[], Awaitable[None]]
# Given a durable's name, its subjects and what handles events: the way to wait for some and handle them.
Subscribe = Callable[[str, Sequence[str], Handle], RunOnce]
# The same, with where the durable begins; asked when it is new.
BeginsAt = Callable[[], Deliver]
SubscribeFrom = Callable[[str, Sequence[str], Handle, BeginsAt], RunOnce]


def first_event() -> Deliver:
    """Return the beginning of what is retained."""
    return "all"


class Consumer:
    """Hands the events of these subjects to `handle`, each at least once and those of an entity in order.

    `life` is another one in each life of the process: the client id of the former one is in use until Redis takes it
    for dead.
    """

    def __init__(  # noqa: PLR0913 - what a subscription rests on
        self,
        durable: str,
        subjects: Sequence[str],
        handle: Handle,
        *,
        life: str,
        redis: Redis,
        positions: Positions,
        history: History,
        begins_at: BeginsAt = first_event,
    ) -> None:
        self._durable = durable
        self._subjects = subjects
        self._handle = handle
        self._begins_at = begins_at
        self._connecting = connect(redis=redis, client_id=f"{durable}-{life}", history=history, positions=positions)
        self._client: Client | None = None
        self._subscription: Subscription | None = None
        self._in_hand: list[Message] = []

    async def run_once(self) -> None:
        """Wait for events and handle them. Raises what `handle` raises: then the next run handles the same events."""
        if self._subscription is None:
            self._subscription = await self._subscribe()
        if not self._in_hand:
            self._in_hand.append(await anext(self._subscription))
            await self._take_what_is_there(self._subscription)
        for message in self._in_hand:
            await message.in_progress()
        await self._handle([message.event for message in self._in_hand])
        await asyncio.gather(*(message.ack() for message in self._in_hand))
        self._in_hand.clear()

    async def _take_what_is_there(self, subscription: Subscription) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while len(self._in_hand) < BATCH:
                    self._in_hand.append(await anext(subscription))

    async def close(self) -> None:
        """Leave what is not handled to the next life."""
        if self._client is not None:
            await self._client.close()

    async def _subscribe(self) -> Subscription:
        self._client = await self._connecting
        return await self._client.subscribe(
            self._subjects,
            durable=self._durable,
            queue_group=self._durable,
            deliver=self._begins_at(),
            max_deliver=MAX_DELIVER,
        )
