"""What the Ray actors have in common: they start when first spoken to, answer batches, and tell how they are."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
import structlog
from bson import ObjectId

from actors.connections import Connections, keep_running
from actors.domain.messages import Unavailable
from actors.runtime.host import Counters
from actors.runtime.ports import Instant, Reply, StoreUnavailableError
from actors.storage.database import create_indexes
from config.settings import Settings

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """An actor's sign of life: who it is, where it runs, what it did, and whether it may be ended."""

    name: str
    writer: str
    pid: int
    node_id: str
    counters: Counters
    idle: bool = False


class HostActor:
    """An actor that others talk to by name. Subclasses say how they start and what they answer."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        # A new incarnation is a new writer: nothing that an earlier one left half-done can be taken for ours.
        self.writer = f"{name}-{ObjectId()}"
        self.counters = Counters()
        self._started: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """What the Ray dashboard and the logs show."""
        return self.name

    async def deliver(self, messages: Sequence[Any], deadline: Instant) -> list[Reply]:
        """One reply for each message, in order; Unavailable for all while the actor cannot start."""
        try:
            await self._start_once()
        except StoreUnavailableError:
            return [Unavailable()] * len(messages)
        return await self.handle(messages, deadline)

    async def ping(self) -> Pulse:
        """Answers as long as the event loop turns; starts an actor that Ray has just restarted."""
        if self._started is None:
            self._begin()
        node_id = ray.get_runtime_context().get_node_id()
        return Pulse(self.name, self.writer, os.getpid(), node_id, self.counters, self.is_idle())

    async def start(self, connections: Connections) -> None:
        """Builds what this actor needs and starts its jobs. Raises StoreUnavailableError; it is called again then."""
        raise NotImplementedError

    async def handle(self, messages: Sequence[Any], deadline: Instant) -> list[Reply]:
        """One reply for each message, in order."""
        raise NotImplementedError

    def is_idle(self) -> bool:
        """Whether the actor may be ended without anyone missing it."""
        return False

    async def _start_once(self) -> None:
        started = self._started or self._begin()
        await asyncio.shield(started)

    def _begin(self) -> asyncio.Task[None]:
        self._started = asyncio.create_task(self._start())
        self._started.add_done_callback(self._start_again_if_it_failed)
        return self._started

    async def _start(self) -> None:
        connections = Connections(self.settings)
        # Nobody commits before the keys are unique.
        await create_indexes(connections.database)
        await connections.clock.refresh()
        await self.start(connections)
        keep_running(connections.clock.run())
        logger.info("actor_started", actor=self.name, writer=self.writer, pid=os.getpid())

    def _start_again_if_it_failed(self, started: asyncio.Task[None]) -> None:
        if started.cancelled() or started.exception() is not None:
            logger.warning("actor_not_started", actor=self.name, error=repr(started.exception()))
            self._started = None
