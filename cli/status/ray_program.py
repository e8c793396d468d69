"""``python -m cli.status.ray_program ADDRESS NAMESPACE``: answers each line that it reads with one of JSON, a RayView.

A line has how many seconds an actor may take to answer.
A program of its own, as Ray ends whoever is connected to it when it goes away, and some of its calls never return.
It says ``imported`` and ``connected`` first, so that whoever waits knows what takes time: this machine, or Ray.
To make a handle of an actor Ray imports its class. That takes longer than all answers together, so it is done first.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any, Literal, cast

import ray
from ray._private import state as ray_state

from actors.cluster import names
from actors.cluster.heartbeat import Heartbeat
from actors.cluster.serialization import unpack
from actors.processes.ray_actors import CLASSES
from cli.status.document import ActorStatus, DutyStatus, NodeStatus, RayView, ReplicaStatus
from serve_app.http.timestamps import iso

IMPORTED, CONNECTED = "imported", "connected"
_SERVE_NAMESPACE = "serve"
_REPLICA_PREFIX = "SERVE_REPLICA::"
_MODULES_OF_ACTORS = ("ray.serve._private.replica", *(module for module, _ in CLASSES.values()))
_LIVING = ("ALIVE", "RESTARTING", "PENDING_CREATION", "DEPENDENCIES_UNREADY")


class _Found:
    """A living actor with a name: what Ray knows of it, and the answer that is waited for."""

    def __init__(self, name: str, namespace: str, known: Mapping[str, Any]) -> None:
        self.name = name
        self.is_alive = known["State"] == "ALIVE"
        self.node = known["Address"]["NodeID"]
        self.pid = known["Pid"]
        self.restarts = known["NumRestarts"]
        self.answer: Any = None
        self.is_replica = namespace == _SERVE_NAMESPACE

    def ask(self, handle: Any) -> None:  # noqa: ANN401 - as Ray has it
        """Ask one that runs for a sign of life. A replica is not ours, and has the one that all actors have."""
        if self.is_alive:
            self.answer = (handle.__ray_ready__ if self.is_replica else handle.ping_packed).remote()

    def state(self, *, has_answered: bool) -> Literal["answers", "silent", "starting"]:
        """How it is."""
        if not self.is_alive:
            return "starting"
        return "answers" if has_answered else "silent"


def look(namespace: str, seconds: float) -> RayView:
    """Return all of it. An actor that does not answer in that time is silent: it hangs, or its turn does not end."""
    found = list(_named_actors(namespace))
    asked = [one.answer for one in found if one.answer is not None]
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=seconds) if asked else ([], [])
    answers = {one.name: _value(one.answer) for one in found if one.answer in answered}
    heartbeats = {name: heartbeat for name, answer in answers.items() if (heartbeat := _heartbeat(answer)) is not None}
    actors = [_actor(one, heartbeats.get(one.name)) for one in found if not one.is_replica]
    replicas = [_replica(one, has_answered=answers.get(one.name) is not None) for one in found if one.is_replica]
    return RayView(
        nodes=_nodes(),
        actors=sorted(actors, key=lambda actor: actor["name"]),
        replicas=sorted(replicas, key=lambda replica: replica["name"]),
        duties=_duties(heartbeats.values()),
    )


def _named_actors(namespace: str) -> Iterable[_Found]:
    tables = [cast("Any", ray_state).actors(actor_state_name=each) for each in _LIVING]
    known = {actor_id: entry for table in tables for actor_id, entry in table.items()}
    for listed in cast("Any", ray.util.list_named_actors(all_namespaces=True)):
        name, space = listed["name"], listed["namespace"]
        if space != namespace and not (space == _SERVE_NAMESPACE and name.startswith(_REPLICA_PREFIX)):
            continue
        try:
            handle: Any = ray.get_actor(name, space)
        except ValueError:
            continue  # it has ended since it was listed
        entry = known.get(handle._actor_id.hex())  # noqa: SLF001 - Ray tells the id of a handle in no other way
        if entry is not None:
            one = _Found(name, space, entry)
            one.ask(handle)
            yield one


def _value(answer: Any) -> object:  # noqa: ANN401 - as Ray has it
    """What was answered, None if the actor died instead."""
    try:
        return cast("object", ray.get(answer))
    except ray.exceptions.RayError:
        return None


def _heartbeat(answer: object) -> Heartbeat | None:
    if not isinstance(answer, bytes):
        return None
    (heartbeat,) = unpack(answer)
    return heartbeat if isinstance(heartbeat, Heartbeat) else None


def _actor(one: _Found, heartbeat: Heartbeat | None) -> ActorStatus:
    signals = heartbeat.signals if heartbeat is not None else None
    return ActorStatus(
        name=one.name,
        kind=names.kind_of(one.name),
        state=one.state(has_answered=heartbeat is not None),
        node=one.node,
        pid=one.pid,
        writer=heartbeat.writer if heartbeat is not None else None,
        upSince=iso(round(heartbeat.started * 1_000)) if heartbeat is not None and heartbeat.started else None,
        restarts=one.restarts,
        mailboxDepth=signals.mailbox_depth if signals is not None else None,
        oldestWaitSeconds=signals.oldest_wait_seconds if signals is not None else None,
        busyShare=signals.busy_share if signals is not None else None,
        entities=signals.entities if signals is not None else None,
        holds=signals.holds if signals is not None else None,
        unapplied=signals.unapplied if signals is not None else None,
        unpublished=signals.unpublished if signals is not None else None,
        commitSeconds=signals.commit_seconds if signals is not None else None,
        counters=asdict(heartbeat.counters) if heartbeat is not None else {},
    )


def _replica(one: _Found, *, has_answered: bool) -> ReplicaStatus:
    return ReplicaStatus(
        name=one.name.removeprefix(_REPLICA_PREFIX),
        state=one.state(has_answered=has_answered),
        node=one.node,
        pid=one.pid,
        restarts=one.restarts,
    )


def _nodes() -> list[NodeStatus]:
    return [
        NodeStatus(id=node["NodeID"], address=node["NodeManagerAddress"], name=node["NodeManagerHostname"])
        for node in cast("Any", ray).nodes()
        if node["Alive"]
    ]


def _duties(heartbeats: Iterable[Heartbeat]) -> list[DutyStatus]:
    return [
        DutyStatus(
            name=name,
            everySeconds=duty["every_seconds"],
            runs=duty["runs"],
            failures=duty["failures"],
            lastRunAt=iso(duty["last_run_at"]) if duty["last_run_at"] is not None else None,
            lastFailure=duty["last_failure"],
        )
        for heartbeat in heartbeats
        for name, duty in heartbeat.duties.items()
    ]


def main(arguments: Sequence[str]) -> None:
    """Answer until there is no more to read."""
    address, namespace = arguments
    # What Ray prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for module in _MODULES_OF_ACTORS:
        import_module(module)
    answers.write(IMPORTED + "\n")
    try:
        ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the one line that says why
        answers.write(f"{type(error).__name__}\n")
        return
    answers.write(CONNECTED + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(look(namespace, float(line))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
