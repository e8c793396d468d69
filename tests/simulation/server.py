"""A server as its clients reach it over a network: late, lost, away, and the client may die while it waits."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tests.simulation.loop import current_process
from tests.simulation.world import World

T = TypeVar("T")

# Milliseconds there and back again, in seconds; what a slow disk makes of it; and how long a client waits.
LATENCY = (0.0002, 0.004)
SLOW = (0.05, 20.0)
PATIENCE = 10.0
CONNECTING = 1.0


class Direct:
    """A server without a network, for tests of what it holds."""

    async def call(self, _name: str, operation: Callable[[], T]) -> T:
        """The result at once."""
        return operation()


class Server:
    """Carries out operations, each at one instant, also when its client has gone meanwhile."""

    def __init__(self, world: World, name: str, failure: type[Exception]) -> None:
        """`failure` is what a client is told when it hears nothing: the outcome is not known."""
        self.is_away = False
        self.name = name
        self._world = world
        self._failure = failure
        self._process = world.loop.process(name)

    async def call(self, name: str, operation: Callable[[], T]) -> T:
        """The result, or what the operation raises, or the failure."""
        world = self._world
        if world.strikes("crash_before"):
            await world.die()
        if self.is_away:
            await asyncio.sleep(world.random.random() * CONNECTING)
            world.note(f"{self.name} is away", name)
            raise self._failure
        answer: asyncio.Future[T] = world.loop.create_future()
        there = world.seconds(*SLOW) if world.strikes("slow") else world.seconds(*LATENCY)
        if world.strikes("lost_request"):
            there = PATIENCE + 1.0
        else:
            client = current_process() if world.strikes("crash_after") else None
            here = self._process.context
            world.loop.call_later(there, self._carry_out, name, operation, answer, client, context=here)
        if there >= PATIENCE:
            world.loop.call_later(PATIENCE, self._time_out, name, answer)
        return await answer

    def _carry_out(self, name: str, operation: Callable[[], T], answer: asyncio.Future[T], dying: object) -> None:
        world = self._world
        if self.is_away and world.random.random() < 0.5:
            self._fail(answer)
            return
        try:
            result = operation()
        except Exception as error:  # noqa: BLE001 - the client's to handle
            world.note(f"{name} refused", type(error).__name__)
            failure: Exception | None = error
        else:
            failure = None
        if dying is not None:
            world.kill(dying)  # type: ignore[arg-type]
        elif self.is_away or world.strikes("lost_answer"):
            self._fail(answer)
        elif failure is not None:
            world.loop.call_later(world.seconds(*LATENCY), _raise, answer, failure)
        else:
            world.loop.call_later(world.seconds(*LATENCY), _return, answer, result)

    def _fail(self, answer: asyncio.Future[T]) -> None:
        self._world.loop.call_later(self._world.random.random(), _raise, answer, self._failure())

    def _time_out(self, name: str, answer: asyncio.Future[T]) -> None:
        if not answer.done():
            self._world.note("no answer", name)
            answer.set_exception(self._failure())


def _return(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _raise(answer: asyncio.Future[T], failure: Exception) -> None:
    if not answer.done():
        answer.set_exception(failure)
