"""``python -m tests.chaos.second_raylet``: a second node of a Ray cluster is lost with its actors.

In a process of its own, since Ray is global to a process. Prints what was found as one line of JSON.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import Heartbeat
from actors.cluster.serialization import unpack
from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import Pay
from actors.domain.ticket_commands import Reserve
from actors.domain.ticket_values import OrderStatus
from actors.processes.servers import ProductionResources
from actors.storage.ledger_reader import reconcile
from cli.up import embedded_servers
from config import ray_environment, secret_file
from config.settings import Settings, load
from tests.chaos.direct_probe import DirectProbe
from tests.chaos.outcome import Outcome, hit
from tests.chaos.records import Verb
from tests.support.eventually import eventually

NAME = "second raylet lost"
# What is lost with the second node; the rest of the market is on the first.
ON_THE_SECOND = ("tickets-0", "payments-0", names.SUPERVISOR)
ON_THE_FIRST = ("tickets-1", "orders-0")
RECOVERY_SECONDS = 60.0
# Five checks of Ray's that fail, a second apart, and the actor's start.
LIMIT_SECONDS = 15.0


@contextmanager
def servers(folder: Path) -> Iterator[Settings]:
    """The settings of a market whose database and Redis run until the context ends."""
    own = {"DATA_DIR": str(folder), "TICKET_ACTORS": "2", "MAX_HOLDS_PER_BUYER": "10000"}
    settings = Settings(data_dir=folder)
    database, redis = embedded_servers.start_database(settings), embedded_servers.start_redis(settings)
    # Where actors find them as well.
    os.environ.update(own | {"MONGODB_URL": database.url, "REDIS_URL": redis.url})
    try:
        yield load()
    finally:
        redis.stop()
        database.stop()


@asynccontextmanager
async def two_nodes(settings: Settings) -> AsyncIterator[Any]:
    """A cluster with the market's actors spread over both nodes; yields what ends the second."""
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    node = {
        "num_cpus": 4,
        "resources": {ray_environment.MARKET_RESOURCE: ray_environment.MARKET_CAPACITY},
        "object_store_memory": ray_environment.OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }
    nodes: Any = Cluster()
    try:
        nodes.add_node(**node)
        second = nodes.add_node(**node)
        ray.init(address=nodes.address, namespace=names.namespace(settings), log_to_driver=False)
        first_id = ray.get_runtime_context().get_node_id()
        for node_id, actors in ((first_id, ON_THE_FIRST), (second.node_id, ON_THE_SECOND)):
            for name in actors:
                await eventually(partial(_placed, name, node_id, settings), RECOVERY_SECONDS)
        yield lambda: nodes.remove_node(second, allow_graceful=False)
    finally:
        ray.shutdown()
        nodes.shutdown()


async def _placed(name: str, node_id: str, settings: Settings) -> bool:
    """Have the actor on this node, from which it may go to another. Whether it is there: if not, it is ended.

    Ray takes that for a wish, and passes over a node that has just joined and is not known to all yet.
    """
    import ray  # noqa: PLC0415 - as above

    from actors.processes import nodes, on_ray, ray_actors  # noqa: PLC0415

    there = nodes.on_node(node_id)
    actor: Any = await asyncio.to_thread(ray_actors.create, name, settings, on_ray.RaySystem(), there)
    with contextlib.suppress(ray.exceptions.RayActorError):  # it is still the one that was sent away
        (heartbeat,) = unpack(await actor.ping_packed.remote())
        if heartbeat.node_id == node_id:
            return True
        ray.kill(actor, no_restart=True)
    return False


async def lose_it(settings: Settings) -> tuple[Outcome, dict[str, bool]]:
    """End the second node under load; return what came of it, and what else is to be so afterwards."""
    from actors.processes.on_ray import RaySystem  # noqa: PLC0415 - imports Ray

    system = RaySystem()
    async with two_nodes(settings) as end_the_second:
        servers = ProductionResources(settings)
        await servers.clock.refresh()
        actors, directory = system.actors(settings, servers), system.directory(settings)
        lost = {name: await directory.ping(name) for name in ON_THE_SECOND}
        assert all(heartbeat.node_id != system.place()[1] for heartbeat in lost.values())
        outcome, orders = await _struck(actors, servers, lambda: _lose_power(end_the_second, lost.values()))
        paid = await actors.pay(Pay(next(iter(orders)), "pm_card_visa"))
        now = {name: await asyncio.wait_for(directory.ping(name), RECOVERY_SECONDS) for name in ON_THE_SECOND}
        first_node = system.place()[1]
        found = {
            "the loss is noticed": outcome.hits[0].served_after > 0,
            "everyone is on the first node": all(heartbeat.node_id == first_node for heartbeat in now.values()),
            "everyone is somebody else": all(heartbeat.writer != lost[name].writer for name, heartbeat in now.items()),
            "a payment goes through": isinstance(paid, PaymentAnswer) and paid.order.status is OrderStatus.COMPLETE,
            "what the lost writer left is relayed": await _is_relayed(servers, lost["tickets-0"].writer),
        }
        outcome.violations = await _violations(settings, servers)
        await servers.client.close()
    return outcome, found


def _lose_power(end_the_node: Callable[[], None], on_it: Iterable[Heartbeat]) -> None:
    """End the node and what runs on it: actors may go on for seconds without their raylet."""
    end_the_node()
    for heartbeat in on_it:
        with contextlib.suppress(ProcessLookupError):
            os.kill(heartbeat.pid, signal.SIGKILL)


async def _struck(
    actors: ActorClient, servers: ProductionResources, end_the_second: Callable[[], None]
) -> tuple[Outcome, dict[str, Reserve]]:
    probe = DirectProbe(actors, host="tickets-0")
    async with probe.asking():
        await eventually(lambda: probe.is_steady_since(0), RECOVERY_SECONDS)
        await asyncio.to_thread(end_the_second)
        at = time.monotonic()
        await eventually(lambda: probe.is_steady_since(at), RECOVERY_SECONDS)
        now = time.monotonic()
    outcome = Outcome(NAME, LIMIT_SECONDS, hits=[hit(probe.answers, Verb.RESERVE, at, now)])
    outcome.count(probe.answers)
    outcome.acknowledged = len(probe.orders)
    outcome.lost = await probe.lost(servers.queries)
    return outcome, probe.orders


async def _is_relayed(servers: ProductionResources, writer: str) -> bool:
    """Whether the Supervisor brings all of this writer's commits to the documents and the stream."""

    async def is_done() -> bool:
        checkpoint = next((each for each in await servers.checkpoints.all() if each.writer == writer), None)
        return checkpoint is not None and not await servers.journal.after(
            writer, min(checkpoint.applied, checkpoint.published), 1
        )

    with contextlib.suppress(TimeoutError):
        await eventually(is_done, RECOVERY_SECONDS)
    return await is_done()


async def _violations(settings: Settings, servers: ProductionResources) -> list[str]:
    stripe = servers.open_account(settings).stripe
    report = await reconcile(servers.database, stripe, servers.clock)
    await stripe.aclose()
    return [f"{each.rule}: {each.id}" for each in report.violations]


def main() -> int:
    """Print the outcome. 1 when something is not as it is to be."""
    with tempfile.TemporaryDirectory(prefix="hf-", dir="/tmp") as folder, servers(Path(folder) / "data") as settings:
        os.environ.update(ray_environment.RAY_SETTINGS)
        os.environ["RAY_TMPDIR"] = folder
        (Path(folder) / "ray").mkdir()
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(settings.data_dir / "ray.token")
        secret_file.read_or_create(settings.data_dir / "ray.token")
        outcome, found = asyncio.run(lose_it(settings))
    sys.stdout.write(json.dumps({"outcome": asdict(outcome), "found": found}) + "\n")
    return int(bool(outcome.lost or outcome.violations or not all(found.values())))


if __name__ == "__main__":
    sys.exit(main())
