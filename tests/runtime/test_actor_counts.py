"""A replica that takes the market to have other actors than the Supervisor says so, and is not ready."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from structlog.testing import capture_logs

from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import Heartbeat
from actors.domain.refusals import NotFound
from actors.processes.base import HostActor
from actors.runtime.host import Counters
from actors.runtime.ports import Instant, Reply
from actors.supervision.liveness import watch
from config.settings import Settings
from tests.support.eventually import eventually


class Clock:
    """Stands still."""

    def now(self) -> Instant:
        return 0


class Answering:
    """A transport to actors that all answer."""

    async def call(self, _host: str, messages: Sequence[Any], _deadline: Instant, *, redelivered: bool) -> list[Reply]:  # noqa: ARG002
        return [NotFound() for _ in messages]


class System:
    """Enough of a process for a heartbeat."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def settings(self) -> Settings:
        return self._settings

    def new_id(self) -> str:
        return "1"

    def place(self) -> tuple[int, str, float]:
        return 1, "node", 0.0


class Supervised:
    """A market in which every actor runs with these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def ping(self, name: str) -> Heartbeat:
        actor = HostActor(name, System(self.settings))  # type: ignore[arg-type]
        actor._started = asyncio.create_task(asyncio.sleep(0))
        return await actor.ping()


def replica(**settings: int) -> ActorClient:
    return ActorClient(Settings.model_validate(settings), Answering(), Clock())


async def test_a_replica_with_the_actor_counts_of_the_supervisor_is_ready() -> None:
    actors = replica(ticket_actors=2)
    actors.compare_hosts(await Supervised(Settings(ticket_actors=2)).ping("supervisor"))
    assert await actors.is_ready()


async def test_a_replica_with_other_actor_counts_is_not_ready_until_they_agree() -> None:
    for name in ("ticket_actors", "order_actors", "payment_actors"):
        actors, directory = replica(), Supervised(Settings.model_validate({name: 2}))
        assert await actors.is_ready(), "nobody has said otherwise yet"
        watching = asyncio.create_task(watch(directory, ["supervisor"], actors.compare_hosts))  # type: ignore[arg-type]
        try:
            await eventually(partial(is_not_ready, actors))
            directory.settings = Settings()
            await eventually(actors.is_ready)
        finally:
            watching.cancel()


async def is_not_ready(actors: ActorClient) -> bool:
    return not await actors.is_ready()


async def test_a_replica_logs_differing_actor_counts_once_with_both_numbers() -> None:
    actors, heartbeat = replica(), await Supervised(Settings(ticket_actors=2)).ping("supervisor")
    with capture_logs() as logged:
        for _ in range(3):
            actors.compare_hosts(heartbeat)
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("numbers_of_actors_differ", "error")
    assert (line["own"]["tickets"], line["supervisor"]["tickets"]) == (1, 2)


async def test_a_supervisor_whose_heartbeat_has_no_actor_counts_is_believed() -> None:
    actors = replica(ticket_actors=2)
    actors.compare_hosts(Heartbeat("supervisor", "supervisor-1", 1, "node", Counters()))
    assert await actors.is_ready()
