"""How an actor on Ray is renewed: what takes its place is loaded first, then it drains, ends and begins again."""

import asyncio
import contextlib
from functools import cache
from importlib import import_module
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.cluster import names
from actors.processes.actor_system import ActorSystem
from actors.processes.base import HostActor
from actors.processes.handles import Handles, method_of
from actors.processes.nodes import SPREAD, Scheduling
from actors.processes.ray_actors import CLASSES, MARKET_SHARE, create, named_actors
from actors.runtime.ports import HostUnreachableError
from config import ray_environment
from config.settings import Settings

RENEWAL_SECONDS = 60.0
LOOK_SECONDS = 0.02


class RayRenewable:
    """See renewal.Renewable for what each method promises. What begins does so where `scheduling` says."""

    def __init__(self, settings: Settings, system: ActorSystem, scheduling: Scheduling = SPREAD) -> None:
        self._settings = settings
        self._system = system
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
            handle = await asyncio.to_thread(create, name, self._settings, self._system, self._scheduling)
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
