"""Actors as Ray has them: how one is created, and which there are."""

from functools import cache
from importlib import import_module
from typing import Any

import ray
from ray.actor import ActorHandle

from actors.cluster import names
from actors.processes.actor_system import ActorSystem
from actors.processes.nodes import SPREAD, Scheduling
from config import ray_environment
from config.settings import Settings

# The class of each kind of actor, imported only where one is created.
CLASSES = {
    names.TICKETS: ("actors.processes.ticket_actor", "TicketActor"),
    names.ORDERS: ("actors.processes.order_actor", "OrderActor"),
    names.PAYMENTS: ("actors.processes.payment_actor", "PaymentActor"),
    names.SUPERVISOR: ("actors.processes.supervisor", "Supervisor"),
}

# Of the resource of a market's node, which has 100 of it: enough for more actors than it has memory for.
MARKET_SHARE = 0.001


def create(name: str, settings: Settings, system: ActorSystem, scheduling: Scheduling = SPREAD) -> ActorHandle[Any]:
    """The actor of this name, created over `system` if there is none. Blocks for a call to Ray's control service."""
    handle: ActorHandle[Any] = (
        _class_of(names.kind_of(name))
        .options(
            name=name,
            namespace=names.namespace(settings),
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            resources={ray_environment.MARKET_RESOURCE: MARKET_SHARE},
            # Restarted whenever it dies; its messages are not: the gateway repeats them, by their ids.
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=10_000,
            enable_task_events=False,
            scheduling_strategy=scheduling,
        )
        .remote(name, system)
    )
    return handle


@cache
def _class_of(kind: str) -> Any:  # noqa: ANN401 - as Ray has it
    """The class for Ray, made once: of each one that is made Ray keeps 30 KB for good, here and where it is stored."""
    module, class_name = CLASSES[kind]
    return ray.remote(getattr(import_module(module), class_name))


def named_actors(namespace: str) -> list[str]:
    """The names of a market's actors. Blocks for a call to Ray's control service."""
    listed: Any = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in listed if actor["namespace"] == namespace]
