"""Generators as Ray actors, on the nodes of a cluster that the market does not use."""

import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any, cast

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cli.load.errors import LoadError
from cli.load.generator.generator import Assignment, Generator
from cli.load.generator.tally import Snapshot
from config.ray_environment import MARKET_RESOURCE

NAMESPACE = "holdfast-load"
_READY_SECONDS = 60.0
# Clocks of nodes agree to some milliseconds; the word to begin has to reach all of them before.
_AHEAD_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_END_SECONDS = 60.0


class LoadGenerator:
    """The actor: a generator whose snapshots wait until they are taken."""

    def __init__(self, assignment: Assignment) -> None:
        self._told: list[Snapshot] = []
        self._generator = Generator(assignment, self._told.append)

    async def ready(self) -> str:
        """Return the id of the node, when it is there."""
        return str(cast("Any", ray).get_runtime_context().get_node_id())

    async def run(self, began_at: float) -> None:
        """Make the load; see Generator.run."""
        await self._generator.run(began_at)

    async def take(self) -> list[Snapshot]:
        """Return what was told since the last call."""
        told = self._told.copy()
        self._told.clear()
        return told

    async def stop(self) -> None:
        """Begin no visit any more."""
        self._generator.stop()


class RayFleet:
    """An actor for each generator. They end with this process. See Fleet for what each method does."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        actor = cast("Any", ray.remote(LoadGenerator))
        self._actors = [
            actor.options(num_cpus=1, scheduling_strategy=strategy).remote(assignment)
            for assignment, strategy in zip(assignments, _strategies(len(assignments)), strict=True)
        ]
        self._nodes: set[str] = set()
        self._runs: list[Any] = []
        self._has_rest = True

    @property
    def place(self) -> str:
        """Where they run."""
        count = len(self._nodes)
        return f"actors on {count} {'node' if count == 1 else 'nodes'} of the Ray cluster"

    @property
    def is_over(self) -> bool:
        """Whether all have ended, and all was taken."""
        return not self._has_rest

    def begin(self) -> float:
        """Have all begin at one moment, and return it."""
        ready = [each.ready.remote() for each in self._actors]
        there, missing = ray.wait(ready, num_returns=len(ready), timeout=_READY_SECONDS)
        if missing:
            raise LoadError(
                f"the cluster has room for {len(there)} generators only: each takes a CPU; use fewer --generators"
            )
        self._nodes = set(ray.get(there))
        began_at = time.time() + _AHEAD_SECONDS
        self._runs = [each.run.remote(began_at) for each in self._actors]
        return began_at

    def take(self, seconds: float) -> Sequence[Snapshot]:
        """Return what was told."""
        ended, running = ray.wait(self._runs, num_returns=len(self._runs), timeout=seconds)
        try:
            ray.get(ended)
            taken = ray.get([each.take.remote() for each in self._actors], timeout=_ANSWER_SECONDS)
        except ray.exceptions.RayError as error:
            raise LoadError(f"a generator was lost ({type(error).__name__})") from None
        self._has_rest = bool(running)
        return [snapshot for each in taken for snapshot in each]

    def stop(self) -> None:
        """Have no visit begin any more."""
        for each in self._actors:
            each.stop.remote()

    def close(self) -> None:
        """End the actors."""
        for each in self._actors:
            ray.kill(each)


def _strategies(count: int) -> Iterator[Any]:
    """Return where each generator goes: nodes without a market first, as it would take the market's processor."""
    nodes = [node for node in cast("Any", ray).nodes() if node["Alive"]]
    free = [node["NodeID"] for node in nodes if not _is_market(node) and node["Resources"].get("CPU", 0) >= 1]
    if not free:
        return iter(["SPREAD"] * count)
    return islice(cycle(NodeAffinitySchedulingStrategy(node, soft=False) for node in free), count)


def _is_market(node: dict[str, Any]) -> bool:
    return MARKET_RESOURCE in node["Resources"]
