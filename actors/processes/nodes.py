"""The nodes that a market's actors are on, and how Ray is told which of them to take."""

from dataclasses import dataclass
from typing import Any, Literal, cast

import ray
from ray._private import worker
from ray._private.state import state
from ray.core.generated import autoscaler_pb2
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from config.ray_environment import MARKET_RESOURCE

Scheduling = Literal["SPREAD"] | NodeAffinitySchedulingStrategy
# One node after the other, so that a node that is lost takes few along.
SPREAD: Scheduling = "SPREAD"
# The latest moment that Ray can be told, in milliseconds.
NO_DEADLINE = 2**63 - 1


def on_node(node_id: str) -> Scheduling:
    """Have an actor start on this node; on another when it is lost, so that the actor is not lost with it."""
    return NodeAffinitySchedulingStrategy(node_id, soft=True)


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive; actors start on it if it has the market's resource and is not being drained."""

    node_id: str
    address: str
    hostname: str
    has_market: bool
    is_draining: bool


def nodes() -> list[Node]:
    """All nodes that are alive. Blocks for two calls to Ray's control service."""
    draining, known = draining_nodes(), cast("Any", ray).nodes()
    return [
        Node(
            node_id=one["NodeID"],
            address=one["NodeManagerAddress"],
            hostname=one["NodeManagerHostname"],
            has_market=MARKET_RESOURCE in one["Resources"],
            is_draining=one["NodeID"] in draining,
        )
        for one in known
        if one["Alive"]
    ]


def market_nodes() -> set[str]:
    """The ids of the nodes that actors may be on. Blocks for two calls to Ray's control service."""
    return {node.node_id for node in nodes() if node.has_market and not node.is_draining}


def draining_nodes() -> set[str]:
    """The ids of the nodes that Ray drains. Blocks for a call to Ray's control service."""
    return set(state.get_draining_nodes())


def drain(node_id: str, why: str) -> None:
    """Have Ray start nothing on the node any more, and Serve move its replicas. Raises RuntimeError when Ray refuses.

    There is no way back: a node that is to be used again is stopped and started. Ray ends one on which nothing is left.
    """
    gcs: Any = cast("Any", worker.global_worker).gcs_client
    reason = cast("Any", autoscaler_pb2).DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    is_accepted, refusal = gcs.drain_node(node_id, reason, why, NO_DEADLINE)
    if not is_accepted:
        raise RuntimeError(refusal)


def left_on(node_id: str) -> list[str]:
    """The names of the actors and replicas that are on the node. Blocks for a call to Ray's control service."""
    known: dict[str, dict[str, Any]] = state.actor_table(None, None, "ALIVE")
    named = [one["Name"] for one in known.values() if one["Address"]["NodeID"] == node_id and one["Name"]]
    # Serve's own proxy stays as long as the node.
    return sorted(name for name in named if not name.startswith("SERVE_PROXY"))
