"""Spreading shared actors over the nodes again: Ray chooses a node when an actor starts, and moves none later.

So after a node was lost the others have all actors, a node that joins would have none, and one that is drained, which
starts no actor any more, would keep its own to the end.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

import structlog

from actors.cluster import names
from actors.cluster.heartbeat import Heartbeat

# How often the Supervisor looks for nodes that are being drained, and how often it spreads the actors.
EVERY_SECONDS = 2.0
SPREAD_SECONDS = 60.0
# A node that has one more than another cannot be helped.
UNEVEN = 2

logger = structlog.get_logger(__name__)


class Nodes(Protocol):
    """The part of heartbeat.ActorDirectory that is about nodes."""

    async def nodes(self) -> set[str]:
        """The ids of the nodes that actors may be on; not of those that are being drained."""

    async def move(self, name: str, node_id: str) -> None:
        """Has the actor end, and starts another on this node."""


async def leave(directory: Nodes, draining: AbstractSet[str], heartbeats: dict[str, Heartbeat]) -> None:
    """Move all actors off the nodes that are being drained, one after the other, and forget what was heard of them.

    Raises HostUnreachableError when one does not end or start.
    """
    placed = {name: heartbeat.node_id for name, heartbeat in heartbeats.items()}
    if not draining & {*placed.values()}:
        return
    for name, node in departures(placed, await directory.nodes(), draining):
        await directory.move(name, node)
        heartbeats.pop(name, None)
        logger.info("actor_moved", actor=name, node=node, reason="its node is being drained")


def departures(placed: Mapping[str, str], nodes: Collection[str], draining: Collection[str]) -> list[tuple[str, str]]:
    """Return which actor leaves a draining node for which node, in order: each goes to the emptiest.

    With no other node they stay, until Ray ends the node.
    """
    on = {node: [*placed.values()].count(node) for node in sorted(nodes)}
    found: list[tuple[str, str]] = []
    for name in sorted(name for name, node in placed.items() if node in draining and on):
        emptiest = min(on, key=lambda node: on[node])
        on[emptiest] += 1
        found.append((name, emptiest))
    return found


async def spread(directory: Nodes, shared: AbstractSet[str], heartbeats: dict[str, Heartbeat]) -> None:
    """Move shared actors, one after the other, until no node has two more than another; forget what was heard of them.

    Does nothing while an actor has not been heard yet. Raises HostUnreachableError when one does not end or start: it
    is created by the next look at who is missing.
    """
    if not shared <= heartbeats.keys():
        return
    placed = {name: heartbeats[name].node_id for name in shared}
    for name, node in moves(placed, await directory.nodes()):
        await directory.move(name, node)
        heartbeats.pop(name, None)
        logger.info("actor_moved", actor=name, node=node, reason="another node had two more")


def moves(placed: Mapping[str, str], nodes: Collection[str]) -> list[tuple[str, str]]:
    """Return which actor goes to which node, in order; `placed` says where each is now.

    Of the fullest node one of the kind goes that the emptiest has least of. While an actor is on none of these nodes it
    is being started on another, and nothing moves.
    """
    if not nodes or not {*placed.values()} <= {*nodes}:
        return []
    now, found = dict(placed), list[tuple[str, str]]()
    while True:
        on = {node: sorted(name for name in now if now[name] == node) for node in sorted(nodes)}
        fullest, emptiest = max(on, key=lambda node: len(on[node])), min(on, key=lambda node: len(on[node]))
        if len(on[fullest]) - len(on[emptiest]) < UNEVEN:
            return found
        more = Counter(map(names.kind_of, on[fullest]))
        more.subtract(map(names.kind_of, on[emptiest]))
        name = max(on[fullest], key=lambda one: more[names.kind_of(one)])
        now[name] = emptiest
        found.append((name, emptiest))
