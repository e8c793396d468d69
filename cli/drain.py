"""``holdfast drain``: everything leaves a node of a running market, which can be stopped then."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.command_line import fail, load_settings, silence_logs
from cli.running_market import NotRunningError, attached

if TYPE_CHECKING:
    from actors.processes.nodes import Node

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_NOT_OVER = 3
_THIS_NODE = "self"
_SHORTEST_ID = 6

Name = Annotated[str, typer.Argument(metavar="NODE", help="its address, host name or id, or `self` for this one")]
Force = Annotated[bool, typer.Option("--force", help="also the last node of the market, which stops the market")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


class NotDrainedError(Exception):
    """The node is not drained; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What is left on the node after so many seconds."""

    node_id: str
    left: Sequence[str]
    seconds: float


def drain(node: Name, *, force: Force = False, as_json: AsJson = False) -> None:
    """Have all actors and replicas leave a node, without a failed request. Ray ends an empty node by itself.

    Exits with 3 when something is left on it after a minute: give the command again, it goes on.
    """
    silence_logs()
    settings = load_settings()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with attached(settings), console.status("") as line:
            done = _drained(node, lambda left: line.update(f"leaving: {', '.join(left)}"), is_forced=force)
    except (NotRunningError, NotDrainedError) as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps({"node": done.node_id, "left": list(done.left), "seconds": round(done.seconds, 1)}))
    if done.left:
        left = ", ".join(done.left)
        fail(f"{done.node_id} is being drained, and still has {left}: give the command again", exit_code=_NOT_OVER)
    if not as_json:
        typer.echo(f"{done.node_id} is empty after {done.seconds:.0f} s, and can be stopped (`ray stop` on it)")


def _drained(wanted: str, tell: Callable[[Sequence[str]], None], *, is_forced: bool) -> Drained:
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    from actors.processes import nodes  # noqa: PLC0415 - as above

    known = nodes.nodes()
    own = ray.get_runtime_context().get_node_id()
    node = chosen(own if wanted == _THIS_NODE else wanted, known)
    check(node, known, is_forced=is_forced)
    began = time.monotonic()
    if not node.is_draining:
        try:
            nodes.drain(node.node_id, "holdfast drain")
        except RuntimeError as error:
            raise NotDrainedError(f"Ray does not drain {node.node_id}: {error}") from error
    while left := nodes.left_on(node.node_id):
        tell(left)
        if time.monotonic() - began > _PATIENCE_SECONDS:
            break
        time.sleep(_LOOK_SECONDS)
    return Drained(node.node_id, left, time.monotonic() - began)


def chosen(wanted: str, known: "Sequence[Node]") -> "Node":
    """Return the one node with this address, host name, or beginning of its id. Raises NotDrainedError."""
    found = [
        node
        for node in known
        if wanted in {node.address, node.hostname} or (len(wanted) >= _SHORTEST_ID and node.node_id.startswith(wanted))
    ]
    if len(found) != 1:
        listed = "; ".join(f"{node.address} {node.hostname} {node.node_id}" for node in known)
        problem = "several nodes are" if found else "no node is"
        raise NotDrainedError(f"{problem} called so. The nodes are: {listed}")
    return found[0]


def check(node: "Node", known: "Sequence[Node]", *, is_forced: bool) -> None:
    """Refuse a node that has no part of the market, and its last one unless that is wanted. Raises NotDrainedError."""
    if not node.has_market:
        raise NotDrainedError("this node has no part of the market, so there is nothing to drain")
    others = [one for one in known if one.has_market and not one.is_draining and one != node]
    if not others and not is_forced:
        raise NotDrainedError("this is the last node of the market: start another first, or stop it with --force")
