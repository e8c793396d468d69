"""What all subscriptions with a durable have in common: messages, tasks, the end."""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis

from holdfast.cancellation import cancel_until_ended
from holdfast.events.deliveries import Deliveries, Limits
from holdfast.events.group_commands import GroupCommands
from holdfast.events.groups import group_status
from holdfast.events.history import History
from holdfast.events.leases import Leases
from holdfast.events.message import Message
from holdfast.events.partition import Partition
from holdfast.events.patience import Patience
from holdfast.events.positions import Positions
from holdfast.events.subjects import Subjects
from holdfast.events.window import Window


@dataclass(frozen=True, slots=True)
class Setting:
    """What a subscription works with."""

    redis: Redis
    group: str
    client_id: str
    subjects: Subjects
    limits: Limits
    history: History | None
    positions: Positions
    redis_patience: Patience = field(default_factory=lambda: Patience("Redis"))
    history_patience: Patience = field(default_factory=lambda: Patience("the history"))
    positions_patience: Patience = field(default_factory=lambda: Patience("the store of positions"))

    @property
    def lease_seconds(self) -> float:
        """Return how long a member that does not renew counts as living."""
        return self.limits.ack_wait / 2

    def commands(self) -> GroupCommands:
        """Return the group's commands."""
        return GroupCommands(self.redis, self.redis_patience, self.group, self.client_id)

    def leases(self) -> Leases:
        """Return a member's registration."""
        return Leases(self.redis, self.redis_patience, self.group, self.client_id, self.lease_seconds)


class Subscription:
    """Messages of a durable: `async for message in subscription`, until `drain` or `close`.

    The iteration raises ClientIdInUseError if this member was silent so long that another took its client id, and what
    Redis answers when it refuses the member's password or access. It survives everything else that happens to Redis.
    """

    def __init__(self, setting: Setting, leases: Leases) -> None:
        self._setting = setting
        self._leases = leases
        self._commands = setting.commands()
        self._window = Window(setting.limits.max_in_flight)
        self._deliveries = Deliveries(setting.limits, self._commands, self._window, self._on_lease_lost)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def missed(self) -> int:
        """Return how often events were gone from Redis and no history was there to read them from."""
        raise NotImplementedError

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        message = await self._deliveries.next()
        if message is None:
            raise StopAsyncIteration
        return message

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def lag(self) -> float:
        """Return the age, in seconds, of the oldest event that is not acknowledged in this group. Raises RedisError."""
        return (await group_status(self._setting.redis, self._setting.group)).age_seconds

    async def drain(self) -> None:
        """End: hand back what was not handed over, and wait for what is in hand, at most `ack_wait`."""
        await self._end(waits=True)

    async def close(self) -> None:
        """End at once: what is in hand is delivered again to another member. A Redis that is away is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._setting.lease_seconds):
                await self._end(waits=False)
        self._deliveries.close()
        await self._cancelled()

    async def _cancelled(self) -> None:
        """Return once nothing of the subscription runs."""
        await cancel_until_ended(self._tasks)
        await self._setting.redis_patience.until_idle()

    async def _end(self, *, waits: bool) -> None:
        raise NotImplementedError

    def _on_lease_lost(self, partition: Partition) -> None:
        raise NotImplementedError

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a part of the subscription; when it fails, the iteration does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._deliveries.close(error)
            self._cancel()

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
