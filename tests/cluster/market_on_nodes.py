"""``python -m tests.cluster.market_on_nodes``: a market on a head and two workers, of which only replicas are deployed.

A program, since Ray is global to a process. The nodes are those of cluster.yaml; HTTP is that of Serve's own proxy on
the head, as all are on one machine. It prints what it found as one line of JSON; see test_market_on_nodes.py.
"""

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psutil
import yaml

from actors.cluster import names
from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.cluster.membership import all_names, of_settings
from actors.runtime.ports import HostUnreachableError
from config import ray_environment
from config.ports import free_port
from config.settings import SETTINGS_FILE, Settings, load
from tests.cluster.nodes_that_go import Reachable, given, lost, told
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
# Each secret of the market's settings begins with it. What begins with the other is told to Ray, to be found.
SECRET, TOLD = "marked-secret-", "marked-not-secret-"
AT_ONCE = 6
# Each node would have an HAProxy of its own, with ports of its own.
WITHOUT_HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}


class Nodes:
    """Nodes of cluster.yaml, all on this machine."""

    def __init__(self, cluster: Any) -> None:  # noqa: ANN401 - Ray's Cluster has no types
        self._cluster = cluster
        self._types = yaml.safe_load((ROOT / "cluster.yaml").read_text())["available_node_types"]
        self.started: list[Any] = []

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def head(self) -> str:
        return str(self.started[0].node_id)

    def add(self, kind: str) -> None:
        """Start a node of this kind, and wait until all know it."""
        resources = dict(self._types[kind]["resources"])
        cpus, memory = resources.pop("CPU"), ray_environment.OBJECT_STORE_BYTES
        # Ray tells about its actors through the dashboard.
        node = self._cluster.add_node(
            num_cpus=cpus, resources=resources, object_store_memory=memory, include_dashboard=kind == "head"
        )
        self.started.append(node)

    def end(self, number: int) -> None:
        """End a node as a loss of power does."""
        self._cluster.remove_node(self.started[number], allow_graceful=False)


@contextmanager
def nodes_of_the_cluster_file() -> Iterator[Nodes]:
    """Ray with the head and two workers of cluster.yaml."""
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    cluster: Any = Cluster()
    nodes = Nodes(cluster)
    try:
        for kind in ("head", "worker", "worker"):
            nodes.add(kind)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        yield nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


class Observed:
    """The market's actors as they are now."""

    def __init__(self, settings: Settings, directory: ActorDirectory) -> None:
        self.names = [*all_names(of_settings(settings)), names.SUPERVISOR]
        self.directory = directory
        self._namespace = names.namespace(settings)

    async def heartbeats(self) -> dict[str, Heartbeat]:
        """The sign of life of each actor that gives one within a second."""
        asked = (asyncio.wait_for(self.directory.ping(name), 1.0) for name in self.names)
        heard = await asyncio.gather(*asked, return_exceptions=True)
        strange = [one for one in heard if not isinstance(one, Heartbeat | HostUnreachableError | TimeoutError)]
        assert not strange, strange
        return {one.name: one for one in heard if isinstance(one, Heartbeat)}

    async def seconds_until(self, is_so: Callable[[dict[str, Heartbeat]], bool]) -> float:
        began = time.monotonic()

        async def holds() -> bool:
            return is_so(await self.heartbeats())

        await eventually(holds, PATIENCE_SECONDS)
        return time.monotonic() - began

    async def seconds_until_all_are_there(self) -> float:
        return await self.seconds_until(lambda heartbeats: len(heartbeats) == len(self.names))

    async def seconds_until_back(self, name: str) -> float:
        """End the actor so that Ray does not restart it; how long until there is another of its name."""
        before = (await self.heartbeats())[name].writer
        self.end_for_good(name)
        return await self.seconds_until(lambda now: name in now and now[name].writer != before)

    async def members_after_another_setting(self, name: str) -> tuple[int, list[str]]:
        """Change a setting in the file that all read, have Ray restart the actor; its membership, and who is there."""
        import ray  # noqa: PLC0415 - as above

        add_setting(f"TICKET_ACTORS={len(self.names)}")
        before = (await self.heartbeats())[name].writer
        ray.kill(ray.get_actor(name, self._namespace), no_restart=False)
        await self.seconds_until(lambda now: name in now and now[name].writer != before)
        await self.seconds_until(lambda now: name in now and now[name].membership > 0)
        existing = await self.directory.existing()
        return (await self.heartbeats())[name].membership, sorted(existing - {names.SUPERVISOR})

    def end_for_good(self, name: str) -> None:
        import ray  # noqa: PLC0415 - as above

        ray.kill(ray.get_actor(name, self._namespace), no_restart=True)

    async def create_at_once(self, name: str) -> None:
        """End it for good, and have many create it while the replicas do."""
        self.end_for_good(name)

        async def has_gone() -> bool:
            return name not in await self.heartbeats()

        await eventually(has_gone, PATIENCE_SECONDS)
        await asyncio.gather(*(self.directory.create(name) for _ in range(AT_ONCE)))
        await self.seconds_until_all_are_there()


def add_setting(line: str) -> None:
    with Path(os.environ[SETTINGS_FILE]).open("a") as file:
        file.write(f"{line}\n")


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


def supervisors() -> list[int]:
    """The processes of Supervisors on these nodes."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[0].startswith("ray::Supervisor"):
                found.append(process.pid)
        except (psutil.Error, IndexError):
            continue
    return found


def deploy_the_marketplace() -> None:
    """As `serve deploy config/serve.yaml` does, without the applications that serve streams alone."""
    from ray.serve.context import _get_global_client  # noqa: PLC0415 - as above
    from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

    marketplace, *_ = yaml.safe_load((ROOT / "config/serve.yaml").read_text())["applications"]
    client: Any = _get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate({"applications": [marketplace]}), _blocking=True)


async def observe(settings: Settings, nodes: Nodes) -> dict[str, Any]:
    from ray import serve  # noqa: PLC0415 - as above

    from actors.processes.on_ray import RayActorDirectory  # noqa: PLC0415

    port = free_port()
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    deploy_the_marketplace()
    market = Observed(settings, RayActorDirectory(settings))
    found: dict[str, Any] = {"seconds until all are there": await market.seconds_until_all_are_there()}
    heartbeats = await market.heartbeats()
    found["on the head"] = [name for name, one in heartbeats.items() if one.node_id == nodes.head]
    tickets = [one.node_id for name, one in heartbeats.items() if names.kind_of(name) == names.TICKETS]
    found["ticket actors of each node"] = sorted(tickets.count(node) for node in set(tickets))
    found["actors of each node"] = sorted(Counter(one.node_id for one in heartbeats.values()).values())
    found["supervisors"] = [len(supervisors())]
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
    found["supervisors"].append(len(supervisors()))
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


def main() -> int:
    """Print what was found."""
    with tempfile.TemporaryDirectory(prefix="hf-", dir="/tmp") as folder:
        os.environ.update(ray_environment.RAY_SETTINGS | WITHOUT_HAPROXY)
        os.environ["RAY_TMPDIR"] = folder
        (Path(folder) / "ray").mkdir()
        with nodes_of_the_cluster_file() as nodes:
            found = asyncio.run(observe(load(), nodes))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
