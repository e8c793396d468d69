"""``python -m tests.cluster.market_on_nodes``: a market on a head and two workers, of which only replicas are deployed.

A program, since Ray is global to a process. The nodes are those of cluster.yaml; HTTP is that of Serve's own proxy on
the head, as all are on one machine. It prints what it found as one line of JSON; see test_market_on_nodes.py.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psutil

from actors.cluster import names
from config.ports import free_port
from config.settings import Settings
from tests.cluster.nodes import Nodes, deploy_the_marketplace, print_found
from tests.cluster.nodes_that_go import Reachable, given, lost, told
from tests.cluster.observed_market import Observed, processes_of_actors

# Each secret of the market's settings begins with it. What begins with the other is told to Ray, to be found.
SECRET, TOLD = "marked-secret-", "marked-not-secret-"


def memory_of(process: psutil.Process) -> Iterator[bytes]:
    """All that the process has written in memory, in pieces of one mapping."""
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    with Path(f"/proc/{process.pid}/mem").open("rb") as memory:
        for first, end, rights in re.findall(r"^(\w+)-(\w+) (\S+)", maps, re.MULTILINE):
            if rights.startswith("rw"):
                with contextlib.suppress(OSError, ValueError, OverflowError):  # of the kernel
                    memory.seek(int(first, 16))
                    yield memory.read(int(end, 16) - int(first, 16))


def known_to_ray() -> dict[str, list[str]]:
    """What Ray's control service knows that begins with one of the marks: in its memory, and as it tells."""
    import ray  # noqa: PLC0415 - as above
    from ray._private import worker  # noqa: PLC0415
    from ray.util.state import list_actors  # noqa: PLC0415

    gcs: Any = cast("Any", worker.global_worker).gcs_client
    gcs.internal_kv_put(b"told", TOLD.encode() + b"kept", overwrite=True, namespace=b"test")
    stored = [
        repr((key, gcs.internal_kv_get(key, space)))
        for space in (b"", b"test", b"serve", b"fun", b"job", b"session", b"dashboard", b"runtime_env")
        for key in gcs.internal_kv_keys(b"", space)
    ]
    listed = [repr(one) for one in list_actors(detail=True, limit=1_000)]
    assert any(names.SUPERVISOR in one for one in listed)
    (server,) = [one for one in psutil.Process().children(recursive=True) if one.name() == "gcs_server"]
    marks = re.compile(rb"(?:" + SECRET.encode() + rb"|" + TOLD.encode() + rb")\w+")
    in_memory = {found.decode() for piece in memory_of(server) for found in marks.findall(piece)}
    told = {found.decode() for one in (*stored, *listed) for found in marks.findall(one.encode())}
    assert ray.is_initialized()
    return {"in memory": sorted(in_memory), "as told": sorted(told)}


def shown_by_ray() -> dict[str, str]:
    """What the dashboard calls each living actor with a name."""
    from ray.util.state import list_actors  # noqa: PLC0415 - as above

    living = list_actors(filters=[("state", "=", "ALIVE")], detail=True, limit=1_000)
    return {one.name: one.repr_name or one.class_name for one in living if one.name}


async def observe(settings: Settings, nodes: Nodes) -> dict[str, Any]:
    from ray import serve  # noqa: PLC0415 - as above

    from actors.processes.on_ray import RaySystem  # noqa: PLC0415

    port = free_port()
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    deploy_the_marketplace()
    market = Observed(settings, RaySystem().directory(settings))
    found: dict[str, Any] = {"seconds until all are there": await market.seconds_until_all_are_there()}
    heartbeats = await market.heartbeats()
    found["on the head"] = [name for name, one in heartbeats.items() if one.node_id == nodes.head]
    tickets = [one.node_id for name, one in heartbeats.items() if names.kind_of(name) == names.TICKETS]
    found["ticket actors of each node"] = sorted(tickets.count(node) for node in set(tickets))
    found["actors of each node"] = sorted(Counter(one.node_id for one in heartbeats.values()).values())
    found["supervisors"] = [processes_of_actors()["Supervisor"]]
    writers = {one.name: one.writer for one in heartbeats.values()}
    shown = await asyncio.to_thread(shown_by_ray)
    found["shown with their writers"] = sorted(
        title.partition("(")[0] for name, title in shown.items() if f"({writers.get(name)})" in title
    )
    found["replicas as shown"] = sorted({title for name, title in shown.items() if "#Api#" in name})
    found["marks known to Ray"] = await asyncio.to_thread(known_to_ray)
    for name in (names.SUPERVISOR, "tickets-0"):
        found[f"seconds until {name} is back"] = await market.seconds_until_back(name)
    found["members after another setting"] = await market.members_after_another_setting("orders-0")
    await market.create_at_once(names.SUPERVISOR)
    found["supervisors"].append(processes_of_actors()["Supervisor"])
    assert settings.jwt_key is not None
    address = Reachable(f"http://127.0.0.1:{port}", settings.jwt_key.get_secret_value())
    nodes.add("worker")
    found["reloaded"] = await given(address, nodes.address, "reload")
    found["drained"] = await given(address, nodes.address, "drain", nodes.started[1].node_id[:12], "--json")
    await market.seconds_until_all_are_there()
    on_it = [name for name, one in (await market.heartbeats()).items() if one.node_id == nodes.started[2].node_id]
    found["lost"] = await lost(address, lambda: nodes.end(2), market.seconds_until_all_are_there) | {"on it": on_it}
    found["stopped"] = await told(nodes.address, "down", "--cluster")
    left = await asyncio.to_thread(shown_by_ray)
    found["stopped"]["left"] = sorted(left)
    return found


if __name__ == "__main__":
    print_found(observe, "head", "worker", "worker")
