"""The actors on Ray: how they are created and found, how messages reach them, and how a silent one is replaced."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import ray
import structlog
from bson import ObjectId
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors import names
from actors.connections import Connections
from actors.domain.messages import Unavailable
from actors.pulse import Pulse
from actors.routing import Actors, shared_names
from actors.runtime.ports import Clock, HostUnreachableError, Instant, Reply, StoreUnavailableError
from actors.servers import Servers
from actors.watch import EVERY_SECONDS, watch
from actors.wire import NotUnderstood, pack, unpack
from config import logs
from config.settings import Settings

# The class of each kind of actor, imported only where one is created.
CLASSES = {
    names.TICKETS: ("actors.ticket_actor", "TicketActor"),
    names.ORDERS: ("actors.order_actor", "OrderActor"),
    names.PAYMENTS: ("actors.payment_actor", "PaymentActor"),
    names.SUPERVISOR: ("actors.supervisor", "Supervisor"),
}

DATABASE_RETRY_SECONDS = 1.0

logger = structlog.get_logger(__name__)


def create(name: str, settings: Settings, **options: object) -> ActorHandle[Any]:
    """The actor of this name, created if there is none. Blocks for a call to Ray's control service.

    `options` are further ones of Ray's, such as a scheduling_strategy.
    """
    module, class_name = CLASSES[names.kind_of(name)]
    actor_class: Any = ray.remote(getattr(import_module(module), class_name))
    handle: ActorHandle[Any] = actor_class.options(
        name=name,
        namespace=names.NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        # Restarted whenever it dies; its messages are not: the gateway repeats them, by their ids.
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=10_000,
        enable_task_events=False,
        **options,
    ).remote(name, settings, RaySystem())
    return handle


def start(settings: Settings) -> None:
    """Creates all actors that the settings ask for; those that exist stay. Ray is to be connected."""
    handles = [create(name, settings) for name in (*shared_names(settings), names.SUPERVISOR)]
    ray.get([handle.ping.remote() for handle in handles])


class RayTransport:
    """Carries batches to actors by name; a handle that went stale is looked up again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: dict[str, ActorHandle[Any]] = {}

    def knows(self, host: str) -> bool:
        """Whether messages went to this host before and it was not found dead since."""
        return host in self._handles

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, again: bool) -> list[Reply]:
        """One reply for each message, in order. Raises HostUnreachableError."""
        try:
            handle: Any = self._handles[host] if host in self._handles else await self._look_up(host)
            packed: bytes = await handle.deliver_packed.remote(pack(messages), deadline, again=again)
        except (RayError, ValueError) as error:
            # ValueError: no actor has this name, yet or any more.
            self._handles.pop(host, None)
            logger.warning("host_unreachable", host=host, error=type(error).__name__)
            raise HostUnreachableError(host) from error
        # The host is of a newer release: what it did is not known to us.
        return [Unavailable() if isinstance(reply, NotUnderstood) else reply for reply in unpack(packed)]

    async def _look_up(self, host: str) -> ActorHandle[Any]:
        if names.is_dedicated(host):
            handle = await asyncio.to_thread(create, host, self._settings)
        else:
            handle = await asyncio.to_thread(ray.get_actor, host, names.NAMESPACE)
        self._handles[host] = handle
        return handle


class RayFleet:
    """All actors, as Ray lists them; see pulse.Fleet for what each method promises."""

    async def ping(self, name: str) -> Pulse:
        """The actor's sign of life."""
        (pulse,) = unpack(await self._call(name, "ping_packed"))
        if not isinstance(pulse, Pulse):
            raise HostUnreachableError(name)
        return pulse

    async def dedicated(self) -> set[str]:
        """The names of the tickets that have actors of their own."""
        listed = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        of_ours = (actor["name"] for actor in listed if actor["namespace"] == names.NAMESPACE)
        return {name for name in of_ours if names.is_dedicated(name)}

    async def replace(self, name: str, pulse: Pulse | None) -> None:
        """Kills the process itself where it is ours to kill: a stopped one does not hear Ray either."""
        if pulse is not None and pulse.node_id == ray.get_runtime_context().get_node_id():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pulse.pid, signal.SIGKILL)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(ray.get_actor(name, names.NAMESPACE), no_restart=False)

    async def retire(self, name: str) -> None:
        """Ends an idle actor; the call never returns when it does."""
        with contextlib.suppress(HostUnreachableError, TimeoutError):
            await asyncio.wait_for(self._call(name, "retire"), EVERY_SECONDS)

    async def _call(self, name: str, method: str) -> Any:  # noqa: ANN401 - whatever the method answers
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, names.NAMESPACE)
            return await getattr(handle, method).remote()
        except (RayError, ValueError) as error:
            raise HostUnreachableError(name) from error


class RaySystem:
    """Actors on Ray; see system.System for what each method promises."""

    def new_id(self) -> str:
        """An id that no process on any node makes again."""
        return str(ObjectId())

    def place(self) -> tuple[int, str]:
        """This process and its node."""
        return os.getpid(), ray.get_runtime_context().get_node_id()

    def connect(self, settings: Settings) -> Connections:
        """The servers that the settings name. From here on this process writes its logs as all of them do."""
        logs.configure()
        return Servers(settings)

    def actors(self, settings: Settings, clock: Clock) -> Actors:
        """The way to the other actors."""
        return Actors(settings, RayTransport(settings), clock)

    def fleet(self) -> RayFleet:
        """All actors."""
        return RayFleet()

    def end_actor(self) -> None:
        """Ends this actor for good."""
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]


async def connect(settings: Settings) -> Actors:
    """The way to the actors for an API replica, which also watches over the Supervisor.

    Waits while the database is away: deadlines are on its clock.
    """
    system = RaySystem()
    connections = system.connect(settings)
    while True:
        try:
            await connections.clock.refresh()
        except StoreUnavailableError:
            await asyncio.sleep(DATABASE_RETRY_SECONDS)
        else:
            break
    connections.keep_running(connections.clock.run(), watch(system.fleet(), [names.SUPERVISOR]))
    return system.actors(settings, connections.clock)
