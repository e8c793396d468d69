"""Publishes events of invented entities as the market does, keeps them as its journal would, and begins new epochs."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import orjson
from redis.asyncio import Redis

from holdfast.events.event import TYPE_PREFIX, Event
from holdfast.events.partitions import PARTITIONS, epoch_key, partition_of, stream_key

BATCH = 500


class Publisher:
    """Makes events in order, one millisecond apart, and appends them to their streams. It is a History as well."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._last: dict[str, int] = {}
        self.epoch: str | None = None
        self.now_ms = time.time_ns() // 1_000_000
        self.journal: list[Event] = []
        self.answers = True
        self.asked: list[object] = []

    def make(self, entity: str, subject: str, version: int | None = None, key: str | None = None) -> Event:
        """Commit an event, of the next version of its entity or of a later one, and do not publish it."""
        before = self._last.get(entity)
        version = (before or 0) + 1 if version is None else version
        self._last[entity] = version
        self.now_ms += 1
        event = Event(
            id=f"{entity}:{version}",
            source=f"https://holdfast.test/{entity}",
            type=f"{TYPE_PREFIX}{subject}.v1",
            entity=entity,
            version=version,
            time_ms=self.now_ms,
            partition_key=key or entity.partition(":")[2],
            data=orjson.dumps({"version": version}),
            preceded_by=before,
        )
        self.journal.append(event)
        return event

    async def publish(self, *events: Event) -> None:
        """Append events to their streams."""
        for start in range(0, len(events), BATCH):
            pipe = self._redis.pipeline(transaction=False)
            for event in events[start : start + BATCH]:
                fields = (event if self.epoch is None else event.in_epoch(self.epoch)).fields()
                entry: Any = dict(zip(fields[::2], fields[1::2], strict=True))
                pipe.xadd(stream_key(partition_of(event.partition_key)), entry)
            await pipe.execute()

    async def tell(self, entity: str, *subjects: str) -> list[Event]:
        """Commit and publish events of one entity."""
        events = [self.make(entity, subject) for subject in subjects]
        await self.publish(*events)
        return events

    async def begin_epoch(self, epoch: str, *, republish_from: int = 0) -> None:
        """Play the Supervisor after Redis lost something; `republish_from` counts events of the journal."""
        self.epoch = epoch
        for partition in range(PARTITIONS):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(stream_key(partition))
                pipe.set(epoch_key(partition), epoch)
                await pipe.execute()
        await self.publish(*self.journal[republish_from:])

    async def versions(self, entity: str, after: int, before: int) -> Sequence[Event]:
        """As the History of the market."""
        await self._ask((entity, after, before))
        return [event for event in self.journal if event.entity == entity and after < event.version < before]

    async def since(self, time_ms: int, partitions: Collection[int]) -> AsyncIterator[Event]:
        """As the History of the market."""
        await self._ask(time_ms)
        for event in list(self.journal):
            if event.time_ms >= time_ms and partition_of(event.partition_key) in partitions:
                yield event

    async def _ask(self, question: object) -> None:
        await asyncio.sleep(0)
        self.asked.append(question)
        if not self.answers:
            raise ConnectionError("the journal is away")

    def by_entity(self) -> dict[str, list[int]]:
        """Return the versions of each entity."""
        found: dict[str, list[int]] = defaultdict(list)
        for event in self.journal:
            found[event.entity].append(event.version)
        return found
