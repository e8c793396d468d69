"""``python -m tests.cluster.head_restart``: the head of a cluster is lost, whose control service (GCS) uses a Redis.

First GCS alone is killed under load, then again while an actor dies, then the whole head under load. People come to a
replica at its own port, as HAProxy does: each request through Serve's own proxy needs GCS, once the head is lost.
A program, since Ray is global to a process; see test_head_restart.py.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from anyio.from_thread import start_blocking_portal

from actors.cluster import names
from config.ports import free_port
from config.settings import Settings
from tests.cluster.nodes import Nodes, deploy_the_marketplace, print_found
from tests.cluster.nodes_that_go import Reachable, told, trading
from tests.cluster.observed_market import PATIENCE_SECONDS, Observed, processes_of_actors
from tests.support.client import Person
from tests.support.eventually import eventually

AWAY_SECONDS = 5.0
BUYERS, TICKETS = 3, 5
# The first replica of a node listens at the first of its ports.
FIRST_PORT, PORTS = "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", 20


async def traded_without(
    address: Reachable, end: Callable[[], object], start: Callable[[], object], is_back: Callable[[], Awaitable[object]]
) -> dict[str, Any]:
    """End something under load, and start it some seconds later; what people were answered, and how often meanwhile."""
    # Ray starts processes in the main thread only, so people trade in another.
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(trading(address)) as trade:
        end()
        before = trade.succeeded
        await asyncio.sleep(AWAY_SECONDS)
        meanwhile = trade.succeeded - before
        start()
        await is_back()
    return {"succeeded meanwhile": meanwhile, **trade.as_json()}


async def seconds_until_restarted(market: Observed, name: str, nodes: Nodes | None = None) -> float:
    """Kill the actor's process, while there is no GCS of these nodes if any; how long until Ray has restarted it."""
    before = (await market.heartbeats())[name]
    if nodes is not None:
        nodes.end_control_service()
    os.kill(before.pid, signal.SIGKILL)
    if nodes is not None:
        nodes.start_control_service()
    return await market.seconds_until(lambda now: name in now and now[name].writer != before.writer)


async def serve_is_whole(nodes: Nodes) -> None:
    """Wait until Serve has a proxy on the head of now, and its application runs."""
    from ray import serve  # noqa: PLC0415 - Ray reads its settings when it is imported

    async def is_whole() -> bool:
        status = await asyncio.to_thread(serve.status)
        applications = [one.status for one in status.applications.values()]
        return status.proxies.get(nodes.head) == "HEALTHY" and applications == ["RUNNING"]

    await eventually(is_whole, PATIENCE_SECONDS)


async def contended(address: Reachable) -> dict[str, Any]:
    """Several reserve each ticket at the same time, and who has it pays."""
    seller, *buyers = (Person(address) for _ in range(1 + BUYERS))
    reserved, paid = [], []
    for _ in range(TICKETS):
        ticket = await seller.lists()
        answers = await asyncio.gather(*(buyer.reserves(ticket["id"]) for buyer in buyers))
        reserved.append(sorted(answer.status_code for answer in answers))
        holders = [
            (buyer, answer.json()["id"]) for buyer, answer in zip(buyers, answers, strict=True) if answer.is_success
        ]
        paid += [(await buyer.pays(order_id)).status_code for buyer, order_id in holders]
    for person in (seller, *buyers):
        await person.leaves()
    return {"reserved": reserved, "paid": paid}


async def said(nodes: Nodes, command: str) -> dict[str, Any]:
    """What the command prints for programs."""
    ended = await told(nodes.address, command, "--json")
    assert ended["said"], ended
    return {"exit code": ended["code"], **json.loads(ended["said"][-1])}


async def observe(settings: Settings, nodes: Nodes) -> dict[str, Any]:
    import ray  # noqa: PLC0415 - as above
    from ray import serve  # noqa: PLC0415 - as above

    from actors.processes.on_ray import RaySystem  # noqa: PLC0415

    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": free_port()})
    deploy_the_marketplace()
    market = Observed(settings, RaySystem().directory(settings))
    await market.seconds_until_all_are_there()
    assert settings.jwt_key is not None
    address = Reachable(f"http://127.0.0.1:{os.environ[FIRST_PORT]}", settings.jwt_key.get_secret_value())
    found: dict[str, Any] = {"status before": await said(nodes, "status")}
    found["without control service"] = await traded_without(
        address, nodes.end_control_service, nodes.start_control_service, market.seconds_until_all_are_there
    )
    found["tickets-0 after it"] = await seconds_until_restarted(market, "tickets-0")
    found["tickets-1 during it"] = await seconds_until_restarted(market, "tickets-1", nodes)

    async def is_back() -> None:
        ray.init(address=nodes.address, log_to_driver=False)
        await serve_is_whole(nodes)

    ray.shutdown()  # Ray ends programs whose node is lost
    found["without head"] = await traded_without(address, lambda: nodes.end(0), nodes.start_head, is_back)
    market = Observed(settings, RaySystem().directory(settings))
    for name in (names.SUPERVISOR, "tickets-0"):
        found[f"{name} after the head"] = await seconds_until_restarted(market, name)
    await market.seconds_until_all_are_there()
    found["contended"] = await contended(address)
    found["status"], found["verified"] = await said(nodes, "status"), await said(nodes, "verify")
    found["processes"] = processes_of_actors()
    return found


if __name__ == "__main__":
    port = free_port()
    ports = {FIRST_PORT: str(port), "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(port + PORTS)}
    print_found(observe, "head", "worker", RAY_SERVE_ENABLE_DIRECT_INGRESS="1", **ports)
