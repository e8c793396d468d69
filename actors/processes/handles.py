"""Calls to actors by name. A method is named by the function itself, so that mypy sees a wrong one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.cluster.heartbeat import ActorMissingError
from actors.processes.base import HostActor
from actors.runtime.bounded_dict import BoundedDict
from actors.runtime.ports import HostUnreachableError

# A handle that is not kept costs a question to Ray's control service.
KNOWN_ACTORS = 20_000

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def method_of(handle: ActorHandle[Any], method: Callable[..., Any]) -> Any:  # noqa: ANN401 - as Ray has it
    """Return the method of this actor, to be called with `.remote`."""
    return getattr(handle, method.__name__)


class Handles:
    """Actors that were spoken to lately, by name. One that went stale is forgotten, and looked up again."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._handles: BoundedDict[str, ActorHandle[Any]] = BoundedDict(KNOWN_ACTORS)

    async def call(
        self,
        name: str,
        method: Callable[Concatenate[HostActor, Parameters], Coroutine[Any, Any, Answer]],
        *words: Parameters.args,
        **named: Parameters.kwargs,
    ) -> Answer:
        """What the method of this actor answers. Raises HostUnreachableError, ActorMissingError if there is none."""
        try:
            handle = self._handles.get(name) or await self._found(name)
            answer: Answer = await method_of(handle, method).remote(*words, **named)
        except (RayError, ValueError) as error:
            self._handles.pop(name, None)
            raise HostUnreachableError(name) from error
        return answer

    async def _found(self, name: str) -> ActorHandle[Any]:
        try:
            self._handles[name] = await asyncio.to_thread(ray.get_actor, name, self._namespace)
        except ValueError as error:
            raise ActorMissingError(name) from error
        return self._handles[name]
