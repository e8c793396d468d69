"""What is acknowledged in one pass of the event loop goes to Redis in one round trip.

Each alone costs its member 0.1 ms of processor time, and a member acknowledges every event of its partitions, also
those that nobody there has subscribed to.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from holdfast.events import scripts
from holdfast.events.patience import GroupMissingError, Patience, is_group_missing


@dataclass(slots=True)
class _Batch:
    commands: list[tuple[Any, ...]] = field(default_factory=list)
    answers: list[asyncio.Future[int]] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None


class Acknowledgements:
    """Those of one member."""

    def __init__(self, redis: Redis, patience: Patience) -> None:
        self._redis = redis
        self._patience = patience
        self._batch: _Batch | None = None

    async def send(self, keys: Sequence[str], arguments: Sequence[Any]) -> int:
        """Return what the script ACK answers. Raises GroupMissingError."""
        loop = asyncio.get_running_loop()
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch()
            batch.sending = loop.create_task(self._send(batch))
        answer: asyncio.Future[int] = loop.create_future()
        batch.commands.append((scripts.ACK, len(keys), *keys, *arguments))
        batch.answers.append(answer)
        try:
            return await answer
        finally:
            self._give_up_if_nobody_waits(batch)

    def _give_up_if_nobody_waits(self, batch: _Batch) -> None:
        if batch.sending is not None and all(answer.done() for answer in batch.answers):
            batch.sending.cancel()
            # Nobody may join it any more.
            if self._batch is batch:
                self._batch = None

    async def _send(self, batch: _Batch) -> None:
        self._batch = None
        try:
            found = await self._patience(lambda: self._execute(batch))
        except Exception as error:  # noqa: BLE001 - raised where each of them is waited for
            found = [error] * len(batch.answers)
        for answer, one in zip(batch.answers, found, strict=True):
            if answer.done():
                continue
            if isinstance(one, Exception):
                answer.set_exception(GroupMissingError() if is_group_missing(one) else one)
            else:
                answer.set_result(int(one))

    async def _execute(self, batch: _Batch) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in batch.commands:
            pipeline.eval(*command)
        answers = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not is_group_missing(answer):
                raise answer
        return answers
