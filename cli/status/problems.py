"""What is away, silent or missing: a line for each."""

from collections.abc import Iterator, Sequence

from actors.cluster import names
from cli.status.document import ActorStatus, ReplicaStatus, Status

# A market has one of each, at least.
_KINDS = (names.TICKETS, names.ORDERS, names.PAYMENTS, names.SUPERVISOR)


def problems_of(status: Status) -> Iterator[str]:
    """Yield the servers that are away, the actors and replicas that do not answer, and those that there are not."""
    for name, server in status["servers"].items():
        if server["state"] == "away":
            yield f"{name} is away: {server['detail']}"
    # Without Ray nobody knows which actors there are.
    if status["servers"]["ray"]["state"] == "up":
        yield from _missing(status)
        yield from _not_answering("actor", status["actors"])
        yield from _not_answering("replica", status["replicas"])


def _missing(status: Status) -> Iterator[str]:
    for kind in _KINDS:
        if not any(actor["kind"] == kind for actor in status["actors"]):
            yield f"no actor of the kind {kind} runs"
    if not status["replicas"]:
        yield "no replica of the API runs"


def _not_answering(what: str, found: Sequence[ActorStatus | ReplicaStatus]) -> Iterator[str]:
    for one in found:
        if one["state"] == "starting":
            yield f"{what} {one['name']} starts"
        elif one["state"] == "silent":
            yield f"{what} {one['name']} does not answer (process {one['pid']} of node {one['node'][:8]})"
