"""All actors as Ray lists them: signs of life, and how a silent one is replaced."""

import asyncio
import contextlib

import psutil
import ray
from ray.exceptions import RayError

from actors.cluster import names
from actors.cluster.heartbeat import Heartbeat
from actors.cluster.serialization import unpack
from actors.processes.actor_system import ActorSystem
from actors.processes.base import HostActor
from actors.processes.handles import Handles
from actors.processes.nodes import SPREAD, Scheduling, draining_nodes, market_nodes, on_node
from actors.processes.ray_actors import create, named_actors
from actors.processes.ray_renewable import RayRenewable
from actors.runtime.ports import HostUnreachableError
from actors.supervision.liveness import EVERY_SECONDS
from config.settings import Settings

# When a process started is told by the machine's clock, which may be set meanwhile.
SAME_START_SECONDS = 60.0


class RayActorDirectory:
    """All actors, as Ray lists them; see heartbeat.ActorDirectory for what each method promises."""

    def __init__(self, settings: Settings, system: ActorSystem) -> None:
        self._settings = settings
        self._system = system
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
            await asyncio.to_thread(create, name, self._settings, self._system, self._moving.get(name, SPREAD))
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
        actors = RayRenewable(self._settings, self._system, there)
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
