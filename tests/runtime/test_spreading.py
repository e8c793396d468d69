"""After a node was lost or joined, the Supervisor moves shared actors until no node has two more than another."""

from collections import Counter
from collections.abc import Collection

import pytest

from actors.cluster.heartbeat import Heartbeat
from actors.runtime.host import Counters
from actors.runtime.ports import HostUnreachableError
from actors.supervision.spreading import leave, moves, spread

SHARED = ("tickets-0", "tickets-1", "tickets-2", "tickets-3", "orders-0", "payments-0")


class FakeDirectory:
    """Actors that are where they are said to be, and go where they are told."""

    def __init__(self, nodes: Collection[str]) -> None:
        self.moved: list[tuple[str, str]] = []
        self.error: type[Exception] | None = None
        self._nodes = set(nodes)

    async def nodes(self) -> set[str]:
        return self._nodes

    async def move(self, name: str, node_id: str) -> None:
        if self.error is not None:
            raise self.error(name)
        self.moved.append((name, node_id))


def heard(**nodes: tuple[str, ...]) -> dict[str, Heartbeat]:
    """The heartbeats of actors by the node that they are on."""
    return {
        name: Heartbeat(name, f"{name}-writer", 1, node, Counters()) for node, held in nodes.items() for name in held
    }


async def test_a_node_that_joins_gets_half_of_the_actors_of_each_kind_one_after_the_other() -> None:
    directory = FakeDirectory({"a", "b"})
    await spread(directory, {*SHARED}, heard(a=SHARED))
    assert [node for _, node in directory.moved] == ["b"] * 3
    assert Counter(name.partition("-")[0] for name, _ in directory.moved) == {"tickets": 2, "orders": 1}


@pytest.mark.parametrize(
    ("placed", "nodes"),
    [
        (heard(a=SHARED[:3], b=SHARED[3:]), {"a", "b"}),
        (heard(a=SHARED[:3], b=SHARED[3:5], c=SHARED[5:]), {"a", "b"}),
        (heard(a=SHARED[:5]), {"a", "b"}),
        (heard(a=SHARED), {"a"}),
        (heard(a=SHARED), set()),
    ],
    ids=["even", "on a node that is lost", "not all heard", "one node", "no node known"],
)
async def test_nothing_moves(placed: dict[str, Heartbeat], nodes: set[str]) -> None:
    directory = FakeDirectory(nodes)
    await spread(directory, {*SHARED}, placed)
    assert directory.moved == []


async def test_nothing_else_moves_when_one_does_not_end() -> None:
    directory = FakeDirectory({"a", "b"})
    directory.error = HostUnreachableError
    with pytest.raises(HostUnreachableError):
        await spread(directory, {*SHARED}, heard(a=SHARED))


@pytest.mark.parametrize("actors", range(1, 12))
@pytest.mark.parametrize("nodes", range(1, 5))
def test_no_node_has_two_more_than_another_afterwards_and_no_actor_moves_twice(actors: int, nodes: int) -> None:
    all_nodes = [f"node-{number}" for number in range(nodes)]
    placed = {f"tickets-{number}": all_nodes[number % max(1, nodes // 2)] for number in range(actors)}
    moved = moves(placed, all_nodes)
    now = Counter(dict.fromkeys(all_nodes, 0))
    now.update((placed | dict(moved)).values())
    assert max(now.values()) - min(now.values()) <= 1
    assert len({name for name, _ in moved}) == len(moved)
    assert moves(placed | dict(moved), all_nodes) == []


async def test_all_actors_leave_a_node_that_is_being_drained_each_for_the_emptiest() -> None:
    directory = FakeDirectory({"b", "c"})
    heartbeats = heard(a=("orders-0", "payments-0", "tickets-0"), b=("tickets-1",), c=("tickets-2",))
    await leave(directory, {"a"}, heartbeats)
    assert directory.moved == [("orders-0", "b"), ("payments-0", "c"), ("tickets-0", "b")]
    # Where they are now is to be heard first: none moves twice.
    assert heartbeats.keys() == {"tickets-1", "tickets-2"}


@pytest.mark.parametrize(
    ("nodes", "draining"),
    [({"a", "b"}, set()), ({"b"}, {"c"}), (set(), {"a"})],
    ids=["none is drained", "nothing is on it", "there is no other"],
)
async def test_nobody_leaves(nodes: set[str], draining: set[str]) -> None:
    directory = FakeDirectory(nodes)
    await leave(directory, draining, heard(a=("tickets-0",), b=("tickets-1",)))
    assert directory.moved == []
