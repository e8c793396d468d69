"""Who is silent is replaced, and left ever more time to start when that does not help."""

import asyncio

import pytest

from actors.cluster.heartbeat import Heartbeat
from actors.runtime.host import Counters
from actors.supervision.liveness import LONGEST_SECONDS, SILENT_SECONDS, LivenessMonitor

NAME = "tickets-0"


class ManualLoop(asyncio.SelectorEventLoop):
    """A loop on which it is as late as the test says."""

    now = 0.0

    def time(self) -> float:
        return self.now


class FakeDirectory:
    """One actor, which hangs from the beginning and takes its time to start whenever it is replaced."""

    def __init__(self, loop: ManualLoop, starts_within: float) -> None:
        self.replaced_at: list[float] = []
        self._loop = loop
        self._starts_within = starts_within

    async def ping(self, name: str) -> Heartbeat:
        if not self.replaced_at or self._loop.now - self.replaced_at[-1] < self._starts_within:
            raise TimeoutError
        return Heartbeat(name, "writer", 1, "node", Counters())

    async def end(self, _name: str) -> None:
        raise AssertionError("nobody leaves")

    async def existing(self) -> set[str]:
        return set()

    async def create(self, _name: str) -> None:
        raise AssertionError("it is never missing")

    async def start(self, _name: str) -> None:
        raise AssertionError("nobody asked for it")

    async def ready(self, _name: str) -> None:
        raise AssertionError("nobody asked for it")

    async def replace(self, _name: str, _heartbeat: Heartbeat | None) -> None:
        self.replaced_at.append(self._loop.now)

    async def passivate(self, name: str) -> None:
        """Nobody is idle here."""

    async def nodes(self) -> set[str]:
        raise AssertionError("nobody asked for it")

    async def draining(self) -> set[str]:
        return set()

    async def move(self, _name: str, _node_id: str) -> None:
        raise AssertionError("nobody asked for it")


def watched(starts_within: float, seconds: int) -> tuple[FakeDirectory, LivenessMonitor]:
    """A watch of so many seconds over an actor that takes its time."""
    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, ManualLoop)
        directory = FakeDirectory(loop, starts_within)
        watch = LivenessMonitor(directory)
        for second in range(seconds):
            loop.now = float(second)
            runner.run(watch.check([NAME]))
    return directory, watch


def test_an_actor_without_a_heartbeat_for_five_seconds_is_replaced_once() -> None:
    directory, watch = watched(starts_within=1, seconds=60)
    assert directory.replaced_at == [SILENT_SECONDS]
    assert NAME in watch.heartbeats


@pytest.mark.parametrize("starts_within", [8, 30, 55])
def test_an_actor_that_starts_slowly_is_given_more_time_for_its_heartbeat_each_time(starts_within: float) -> None:
    directory, watch = watched(starts_within, seconds=300)
    assert NAME in watch.heartbeats
    assert directory.replaced_at[-1] < 240, "it was to be left alone in the end"


def test_an_actor_that_never_sends_a_heartbeat_is_replaced_repeatedly() -> None:
    directory, watch = watched(starts_within=10_000, seconds=600)
    assert NAME not in watch.heartbeats
    pauses = [later - earlier for earlier, later in zip(directory.replaced_at, directory.replaced_at[1:], strict=False)]
    assert pauses[:2] == [2 * SILENT_SECONDS, 4 * SILENT_SECONDS]
    assert max(pauses) == LONGEST_SECONDS
