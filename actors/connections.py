"""The wiring that every process of the market shares: its database, its clock, its event stream."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import structlog
from redis.asyncio import Redis

from actors.event_stream import RedisEventStream
from actors.runtime.carry_on import CarryOn
from actors.runtime.host import Host
from actors.runtime.ports import Behaviour, State
from actors.storage.clock import DatabaseClock
from actors.storage.database import connect, database_of
from actors.storage.documents import MongoDocuments
from actors.storage.journal import MongoJournal
from actors.storage.marks import MongoMarks
from actors.storage.queries import Queries
from config.settings import Settings

REDIS_SECONDS = 2.0
logger = structlog.get_logger(__name__)


class Connections:
    """What one process is connected to. To be made inside of its event loop; nothing is sent yet."""

    def __init__(self, settings: Settings) -> None:
        self.client = connect(_required(settings.mongodb_url, "MONGODB_URL"))
        self.database = database_of(self.client)
        self.redis = Redis.from_url(
            _required(settings.redis_url, "REDIS_URL"),
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        self.clock = DatabaseClock(self.database)
        self.journal = MongoJournal(self.database)
        self.documents = MongoDocuments(self.database)
        self.marks = MongoMarks(self.database)
        self.queries = Queries(self.database)
        self.stream = RedisEventStream(self.redis)

    def carry_on(self, *, writer: str, host: str) -> CarryOn:
        """What carries this writer's commits on."""
        return CarryOn(
            self.journal,
            self.documents,
            self.stream,
            self.marks,
            self.clock,
            writer=writer,
            host=host,
            report=lambda event, command: logger.exception(event, host=host, command=command),  # noqa: LOG004 - in one
        )

    def host(
        self, behaviour: Behaviour[State, Any], carry_on: CarryOn, *, writer: str, fence_reads: bool = False
    ) -> Host[State, Any]:
        """A host of this writer; `fence_reads` when another host may have the same entities in memory."""
        return Host(behaviour, self.journal, self.clock, carry_on, writer=writer, fence_reads=fence_reads)


def keep_running(*jobs: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Runs jobs that never end. One that ends all the same is a bug: the process ends, and Ray starts it anew."""
    tasks = [asyncio.create_task(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(_end_process)
    return tasks


def _end_process(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    logger.critical("job_ended", job=task.get_name(), exc_info=task.exception())
    os._exit(1)


def _required(address: str | None, name: str) -> str:
    if address is None:
        raise ValueError(f"{name} is not set")
    return address
