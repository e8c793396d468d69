"""The market's actors on Ray: what an actor gets of its process, and the ways in for replicas and commands."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from itertools import repeat

import psutil
import ray
from bson import ObjectId

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.cluster.members import Members
from actors.cluster.membership import of_settings
from actors.metrics.emitter import Emitter, Sample
from actors.processes.ray_directory import RayActorDirectory
from actors.processes.ray_metrics import RayMetrics
from actors.processes.ray_renewable import RayRenewable
from actors.processes.ray_transport import RayTransport
from actors.processes.resources import Resources, supervise
from actors.processes.servers import ProductionResources, end_process
from actors.runtime import spans
from actors.runtime.ports import Clock, StoreUnavailableError
from actors.runtime.retry import retry
from actors.storage import database as storage
from actors.storage.clock import database_clock
from actors.storage.database import Database, database_of
from actors.storage.journal import MongoJournal
from actors.storage.schema import check_schema
from actors.supervision import renewal
from actors.supervision.liveness import watch
from actors.supervision.scaling import Scaling
from config import garbage_collection, logs, ray_environment
from config import settings as market_settings
from config.settings import Settings

DATABASE_RETRY_SECONDS = 1.0
MEMBERSHIP_RETRY_SECONDS = 0.1


class RaySystem:
    """What an actor on Ray reaches; see actor_system.ActorSystem for what each method promises."""

    def new_id(self) -> str:
        """An id that no process on any node makes again."""
        return str(ObjectId())

    def place(self) -> tuple[int, str, float]:
        """This process, its node, and when it started."""
        return os.getpid(), ray.get_runtime_context().get_node_id(), psutil.Process().create_time()

    def settings(self) -> Settings:
        """Those of this node: its environment, and the file that HOLDFAST_SETTINGS names there."""
        return market_settings.load()

    def connect(self, settings: Settings) -> Resources:
        """The servers that the settings name. From here on this process writes its logs as all of them do."""
        logs.configure(settings.log_level)
        spans.configure(settings.otel_exporter_otlp_endpoint, settings.otel_traces_sampler_arg, "holdfast-actors")
        garbage_collection.look_less_often()
        return ProductionResources(settings)

    def actors(self, settings: Settings, connections: Resources) -> ActorClient:
        """The way to the other actors."""
        return client(settings, connections.members, connections.clock)

    def directory(self, settings: Settings) -> RayActorDirectory:
        """All actors."""
        return RayActorDirectory(settings, self)

    def metrics(self, settings: Settings) -> RayMetrics | None:
        """Ray's agents, unless METRICS or Ray's own setting turns them off."""
        return RayMetrics() if settings.metrics and ray_environment.has_metrics() else None

    def end_actor(self) -> None:
        """Ends this actor for good."""
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]


def emit_metrics(settings: Settings, samples: Callable[[], Iterable[Sample]]) -> None:
    """Hands on an API replica's metrics once a second, as long as this process runs."""
    sink = RaySystem().metrics(settings)
    if sink is not None:
        supervise(end_process, Emitter(sink).run(samples))


def client(settings: Settings, members: Members, clock: Clock) -> ActorClient:
    """The way to the actors, for whoever knows the membership."""
    is_dedicated = settings.ticket_placement == "dedicated"
    return ActorClient(members, RayTransport(settings), clock, is_dedicated=is_dedicated)


@asynccontextmanager
async def connect(settings: Settings, database: Database) -> AsyncIterator[ActorClient]:
    """The way to the actors for an API replica, which also watches over the Supervisor, and creates it if need be.

    Waits while the database is away, since deadlines are on its clock. Raises schema.UnusableDataError.
    """
    clock = database_clock(database)
    await retry(clock.refresh, StoreUnavailableError, repeat(DATABASE_RETRY_SECONDS))
    begun = partial(_members, settings, database, "an API replica")
    members = await retry(begun, StoreUnavailableError, repeat(DATABASE_RETRY_SECONDS))
    jobs = supervise(end_process, clock.run(), watch(RaySystem().directory(settings), [names.SUPERVISOR]))
    try:
        await retry(members.refresh, StoreUnavailableError, repeat(MEMBERSHIP_RETRY_SECONDS))
        jobs += supervise(end_process, members.run())
        yield client(settings, members, clock)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)


async def renew(settings: Settings, tell: Callable[[str], None]) -> None:
    """Renews all actors with these settings and the code of now, one by one. Ray is to be connected.

    Raises HostUnreachableError when one does not end or start, those before it being renewed, StoreUnavailableError
    when it is not known who is to be there, and schema.UnusableDataError.
    """
    async with storage.connect(settings.mongodb_url or "") as client:
        known = await (await _members(settings, database_of(client), "holdfast actors renew")).refresh()
    await renewal.renew(RayRenewable(settings, RaySystem()), (*known.membership.names, names.SUPERVISOR), tell)


async def end_all(settings: Settings, tell: Callable[[str], None]) -> None:
    """Ends all actors, one by one, when Serve runs no replicas any more. Ray is to be connected.

    Raises HostUnreachableError when one does not end, those before it having ended.
    """
    await renewal.end_all(RayRenewable(settings, RaySystem()), tell)


async def _members(settings: Settings, database: Database, by: str) -> Members:
    """The membership, begun by the settings if nobody did: earlier releases have none.

    Raises StoreUnavailableError, and schema.UnusableDataError.
    """
    await check_schema(database)
    # Of several replicas that begin it at the same time one does: by the journal's keys, once they are unique.
    await storage.create_indexes(database)
    clock, journal = database_clock(database), MongoJournal(database)
    members = Members(journal)
    await clock.refresh()
    await Scaling(members, journal, clock, RaySystem().new_id, by=by).establish(of_settings(settings))
    return members
