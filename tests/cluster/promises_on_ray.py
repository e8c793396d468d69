"""Holds the promises of the way to the actors on a Ray of its own. A program: Ray reads its settings when imported.

It prints a line of JSON for each promise: its name, what broke it (null when nothing did), and the seconds it took.
"""

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any, cast

import ray
from bson import ObjectId

from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.cluster.membership import all_names, of_settings
from actors.processes import ray_actors
from actors.processes.on_ray import RaySystem
from actors.processes.ray_transport import RayTransport
from actors.processes.servers import ProductionResources
from actors.runtime.ports import Clock, Transport
from actors.supervision.scaling import Scaling
from config import ray_environment
from config.settings import Settings
from tests.simulation.contracts.transport import PROMISES


class OnRay:
    """See transport.ClusterUnderTest."""

    def __init__(self, settings: Settings, servers: ProductionResources) -> None:
        self.settings = settings
        self.clock: Clock = servers.clock
        self.directory: ActorDirectory = RaySystem().directory(settings)

    def transport(self) -> Transport:
        return RayTransport(self.settings)

    def new_id(self) -> str:
        return str(ObjectId())

    def kill(self, heartbeat: Heartbeat) -> None:
        os.kill(heartbeat.pid, signal.SIGKILL)


async def hold_all(settings: Settings) -> bool:
    servers = ProductionResources(settings)
    await servers.clock.refresh()
    cluster, kept = OnRay(settings, servers), True
    for promise in PROMISES:
        began, broken = time.monotonic(), None
        try:
            await promise(cluster)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next promise is held as well
            broken, kept = repr(error), False
        sys.stdout.write(json.dumps([promise.__name__, broken, round(time.monotonic() - began, 2)]) + "\n")
        sys.stdout.flush()
    await servers.redis.aclose()
    await servers.client.close()
    return kept


async def begin(settings: Settings) -> None:
    """Do what a Supervisor does first."""
    own = ProductionResources(settings)
    await Scaling(own.members, own.journal, own.clock, lambda: str(ObjectId()), by="test").establish(
        of_settings(settings)
    )
    await own.close()


def main() -> int:
    settings = Settings()
    ray.init(
        address="local",
        include_dashboard=False,
        num_cpus=4,
        resources={ray_environment.MARKET_RESOURCE: ray_environment.MARKET_CAPACITY},
        object_store_memory=ray_environment.OBJECT_STORE_BYTES,
        log_to_driver=False,
        _temp_dir=str(ray_environment.runtime_folder(settings) / "ray"),
    )
    try:
        asyncio.run(begin(settings))
        # The actors that the promises speak of; without a Supervisor nobody but Ray brings them back.
        handles = [ray_actors.create(name, settings, RaySystem()) for name in all_names(of_settings(settings))]
        ray.get([handle.ping_packed.remote() for handle in handles])
        return 0 if asyncio.run(hold_all(settings)) else 1
    finally:
        cast("Any", ray).shutdown()


if __name__ == "__main__":
    sys.exit(main())
