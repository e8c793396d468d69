"""The nodes that a market's actors are on, and how Ray is told which of them to take."""

from typing import Any, Literal, cast

import ray
from ray._private.state import state
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from config.ray_environment import MARKET_RESOURCE

Scheduling = Literal["SPREAD"] | NodeAffinitySchedulingStrategy
# One node after the other, so that a node that is lost takes few along.
SPREAD: Scheduling = "SPREAD"


def on_node(node_id: str) -> Scheduling:
    """Have an actor start on this node; on another when it is lost, so that the actor is not lost with it."""
    return NodeAffinitySchedulingStrategy(node_id, soft=True)


def market_nodes() -> set[str]:
    """The ids of the nodes that actors may be on. Blocks for two calls to Ray's control service."""
    nodes: list[dict[str, Any]] = cast("Any", ray).nodes()
    alive = {str(node["NodeID"]) for node in nodes if node["Alive"] and MARKET_RESOURCE in node["Resources"]}
    return alive - state.get_draining_nodes().keys()
