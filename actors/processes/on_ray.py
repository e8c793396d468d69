"""The actors on Ray: how they are created and found, how messages reach them, and how a silent one is replaced."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from importlib import import_module
from itertools import repeat
from typing import Any

import psutil
import ray
import structlog
from bson import ObjectId
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import Heartbeat
from actors.cluster.members import Members
from actors.cluster.membership import of_settings
from actors.cluster.serialization import NotUnderstood, pack, unpack
from actors.domain.refusals import Unavailable
from actors.metrics.emitter import Emitter, Sample
from actors.processes.base import HostActor
from actors.processes.handles import Handles, method_of
from actors.processes.nodes import SPREAD, Scheduling, draining_nodes, market_nodes, on_node
from actors.processes.ray_metrics import RayMetrics
from actors.processes.resources import Resources, supervise
from actors.processes.servers import ProductionResources, end_process
from actors.runtime import spans
from actors.runtime.ports import Clock, HostUnreachableError, Instant, StoreUnavailableError
from actors.runtime.retry import retry
from actors.runtime.trace import requests_of
from actors.storage import database as storage
from actors.storage.clock import database_clock
from actors.storage.database import Database, database_of
from actors.storage.journal import MongoJournal
from actors.storage.schema import check_schema
from actors.supervision import renewal
from actors.supervision.liveness import EVERY_SECONDS, watch
from actors.supervision.scaling import Scaling
from config import garbage_collection, logs, ray_environment
from config import settings as market_settings
from config.settings import Settings

# The class of each kind of actor, imported only where one is created.
CLASSES = {
    names.TICKETS: ("actors.processes.ticket_actor", "TicketActor"),
    names.ORDERS: ("actors.processes.order_actor", "OrderActor"),
    names.PAYMENTS: ("actors.processes.payment_actor", "PaymentActor"),
    names.SUPERVISOR: ("actors.processes.supervisor", "Supervisor"),
}

# Of the resource of a market's node, which has 100 of it: enough for more actors than it has memory for.
MARKET_SHARE = 0.001
DATABASE_RETRY_SECONDS = 1.0
MEMBERSHIP_RETRY_SECONDS = 0.1
RENEWAL_SECONDS = 60.0
LOOK_SECONDS = 0.02
# When a process started is told by the machine's clock, which may be set meanwhile.
SAME_START_SECONDS = 60.0
# A call carries up to 500 messages; with so many named the line says enough.
MOST_NAMED = 20

logger = structlog.get_logger(__name__)


def create(name: str, settings: Settings, scheduling: Scheduling = SPREAD) -> ActorHandle[Any]:
    """The actor of this name, created if there is none. Blocks for a call to Ray's control service."""
    handle: ActorHandle[Any] = (
        _class_of(names.kind_of(name))
        .options(
            name=name,
            namespace=names.namespace(settings),
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            resources={ray_environment.MARKET_RESOURCE: MARKET_SHARE},
            # Restarted whenever it dies; its messages are not: the gateway repeats them, by their ids.
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=10_000,
            enable_task_events=False,
            scheduling_strategy=scheduling,
        )
        .remote(name, RaySystem())
    )
    return handle


@cache
def _class_of(kind: str) -> Any:  # noqa: ANN401 - as Ray has it
    """The class for Ray, made once: of each one that is made Ray keeps 30 KB for good, here and where it is stored."""
    module, class_name = CLASSES[kind]
    return ray.remote(getattr(import_module(module), class_name))


async def renew(settings: Settings, tell: Callable[[str], None]) -> None:
    """Renews all actors with these settings and the code of now, one by one. Ray is to be connected.

    Raises HostUnreachableError when one does not end or start, those before it being renewed, StoreUnavailableError
    when it is not known who is to be there, and schema.UnusableDataError.
    """
    async with storage.connect(settings.mongodb_url or "") as client:
        known = await (await _members(settings, database_of(client), "holdfast actors renew")).refresh()
    await renewal.renew(RayRenewable(settings), (*known.membership.names, names.SUPERVISOR), tell)


async def end_all(settings: Settings, tell: Callable[[str], None]) -> None:
    """Ends all actors, one by one, when Serve runs no replicas any more. Ray is to be connected.

    Raises HostUnreachableError when one does not end, those before it having ended.
    """
    await renewal.end_all(RayRenewable(settings), tell)


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


class RayRenewable:
    """See renewal.Renewable for what each method promises. What begins does so where `scheduling` says."""

    def __init__(self, settings: Settings, scheduling: Scheduling = SPREAD) -> None:
        self._settings = settings
        self._scheduling = scheduling
        self._namespace = names.namespace(settings)
        self._drained: dict[str, ActorHandle[Any] | None] = {}

    async def existing(self) -> list[str]:
        """The names of all actors."""
        return await asyncio.to_thread(named_actors, self._namespace)

    async def drain(self, name: str) -> bool:
        """Has the actor answer what it has, once the program that takes its place is loaded; whether there is one.

        Raises HostUnreachableError when that program cannot be loaded: the actor goes on then.
        """
        await self._load(name)
        drained = self._drained[name] = await asyncio.to_thread(self._found, name)
        # AttributeError: of a release that could not drain yet.
        with contextlib.suppress(HostUnreachableError, TimeoutError, AttributeError):
            await asyncio.wait_for(Handles(self._namespace).call(name, HostActor.drain), RENEWAL_SECONDS)
        return drained is not None

    async def _load(self, name: str) -> None:
        module, _ = CLASSES[names.kind_of(name)]
        here = {ray_environment.MARKET_RESOURCE: MARKET_SHARE}
        loading = _loader().options(num_cpus=0, resources=here, scheduling_strategy=self._scheduling).remote(module)
        try:
            await asyncio.wait_for(loading, RENEWAL_SECONDS)
        except (RayError, TimeoutError) as error:
            raise HostUnreachableError(f"the program of {name} cannot be loaded") from error

    async def end(self, name: str) -> None:
        """Kills what was drained: it has nothing to do any more. Returns when it has gone. Raises HostUnreachableError.

        Another of its name may be there by then, or was before: whoever else ended it has created that.
        """
        drained = self._drained.pop(name, None)
        if drained is None or await asyncio.to_thread(self._found, name) != drained:
            return
        try:
            ray.kill(drained)
            async with asyncio.timeout(RENEWAL_SECONDS):
                while await asyncio.to_thread(self._found, name) == drained:  # noqa: ASYNC110 - Ray tells nobody
                    await asyncio.sleep(LOOK_SECONDS)
        except (RayError, TimeoutError) as error:
            raise HostUnreachableError(f"{name} did not end") from error

    async def begin(self, name: str) -> None:
        """Creates the actor if there is none by now, and returns when it has started. Raises HostUnreachableError."""
        try:
            handle = await asyncio.to_thread(create, name, self._settings, self._scheduling)
            await asyncio.wait_for(method_of(handle, HostActor.ready).remote(), RENEWAL_SECONDS)
        except (RayError, ValueError, TimeoutError) as error:
            raise HostUnreachableError(f"{name} did not start") from error

    def _found(self, name: str) -> ActorHandle[Any] | None:
        try:
            return ray.get_actor(name, self._namespace)
        except ValueError:
            return None  # no actor has this name
        except RayError as error:
            raise HostUnreachableError(f"Ray does not say where {name} is") from error


@cache
def _loader() -> Any:  # noqa: ANN401 - as Ray has it
    return ray.remote(load)


def load(module: str) -> None:
    """Import what an actor needs: its process, which Ray keeps for a moment, then starts in a fraction of the time."""
    import_module(module)


def named_actors(namespace: str) -> list[str]:
    """The names of a market's actors. Blocks for a call to Ray's control service."""
    listed: Any = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in listed if actor["namespace"] == namespace]


class RayTransport:
    """Carries batches to actors by name."""

    def __init__(self, settings: Settings) -> None:
        self._handles = Handles(names.namespace(settings))

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> Sequence[Any]:
        """One reply for each message, in order. Raises HostUnreachableError."""
        try:
            packed: bytes = await self._handles.call(
                host, HostActor.deliver_packed, pack(messages), deadline, again=redelivered
            )
        except HostUnreachableError as error:
            cause = type(error.__cause__).__name__
            requests = requests_of(messages)[:MOST_NAMED]
            logger.warning("host_unreachable", host=host, error=cause, requests=requests)
            raise
        # The host is of a newer release: what it did is not known to us.
        return [Unavailable() if isinstance(reply, NotUnderstood) else reply for reply in unpack(packed)]


class RayActorDirectory:
    """All actors, as Ray lists them; see heartbeat.ActorDirectory for what each method promises."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._namespace = names.namespace(settings)
        self._handles = Handles(self._namespace)
        self._moving: dict[str, Scheduling] = {}

    async def ping(self, name: str) -> Heartbeat:
        """The actor's sign of life."""
        (heartbeat,) = unpack(await self._handles.call(name, HostActor.ping_packed))
        if not isinstance(heartbeat, Heartbeat):
            raise HostUnreachableError(name)
        return heartbeat

    async def existing(self) -> set[str]:
        """The names of all actors that there are."""
        try:
            return set(await asyncio.to_thread(named_actors, self._namespace))
        except RayError as error:
            raise HostUnreachableError from error

    async def create(self, name: str) -> None:
        """Creates the actor if there is none."""
        try:
            await asyncio.to_thread(create, name, self._settings, self._moving.get(name, SPREAD))
        except (RayError, ValueError) as error:
            raise HostUnreachableError(name) from error

    async def start(self, name: str) -> None:
        """Creates the actor of a ticket if there is none, and returns when it has started."""
        await self.create(name)
        await self.ready(name)

    async def ready(self, name: str) -> None:
        """Returns when the actor has started."""
        await self._handles.call(name, HostActor.ready)

    async def replace(self, name: str, heartbeat: Heartbeat | None) -> None:
        """Kills the process itself where it is ours to kill: a stopped one does not hear Ray either."""
        if heartbeat is not None and heartbeat.node_id == ray.get_runtime_context().get_node_id():
            kill(heartbeat)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(ray.get_actor(name, self._namespace), no_restart=False)

    async def passivate(self, name: str) -> None:
        """Ends an idle actor; the call never returns when it does.

        One of an older release does not know the word and stays until it is renewed.
        """
        with contextlib.suppress(HostUnreachableError, TimeoutError, AttributeError):
            await asyncio.wait_for(self._handles.call(name, HostActor.passivate), EVERY_SECONDS)

    async def nodes(self) -> set[str]:
        """The ids of the nodes that actors may be on."""
        try:
            return await asyncio.to_thread(market_nodes)
        except RayError as error:
            raise HostUnreachableError from error

    async def draining(self) -> set[str]:
        """The ids of the nodes that Ray drains."""
        try:
            return await asyncio.to_thread(draining_nodes)
        except RayError as error:
            raise HostUnreachableError from error

    async def move(self, name: str, node_id: str) -> None:
        """Renews the actor, if it is there, on another node. Who finds it missing meanwhile creates it there too."""
        there = self._moving[name] = on_node(node_id)
        actors = RayRenewable(self._settings, there)
        try:
            if await actors.drain(name):
                await actors.end(name)
                await actors.begin(name)
        finally:
            del self._moving[name]

    async def end(self, name: str) -> None:
        """Kills the actor, and has Ray start no other."""
        try:
            with contextlib.suppress(ValueError):  # no actor has this name any more
                ray.kill(await asyncio.to_thread(ray.get_actor, name, self._namespace))
        except RayError as error:
            raise HostUnreachableError(name) from error


def kill(heartbeat: Heartbeat) -> None:
    """Ends the process that gave this sign of life, unless it has gone and its number is somebody else's."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(heartbeat.pid)
        if abs(process.create_time() - heartbeat.started) < SAME_START_SECONDS:
            process.kill()


class RaySystem:
    """Actors on Ray; see system.System for what each method promises."""

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
        return RayActorDirectory(settings)

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


async def connect(settings: Settings, database: Database) -> ActorClient:
    """The way to the actors for an API replica, which also watches over the Supervisor, and creates it if need be.

    Waits while the database is away, since deadlines are on its clock. Raises schema.UnusableDataError.
    """
    clock = database_clock(database)
    await retry(clock.refresh, StoreUnavailableError, repeat(DATABASE_RETRY_SECONDS))
    begun = partial(_members, settings, database, "an API replica")
    members = await retry(begun, StoreUnavailableError, repeat(DATABASE_RETRY_SECONDS))
    supervise(end_process, clock.run(), watch(RayActorDirectory(settings), [names.SUPERVISOR]))
    await retry(members.refresh, StoreUnavailableError, repeat(MEMBERSHIP_RETRY_SECONDS))
    supervise(end_process, members.run())
    return client(settings, members, clock)
