"""Nodes of cluster.yaml, all on this machine, for programs of their own, since Ray is global to a process."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from config import ray_environment
from config.ports import free_port
from config.settings import Settings, load

ROOT = Path(__file__).parents[2]
# Each node would have an HAProxy of its own, with ports of its own.
WITHOUT_HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}


class Nodes:
    """Nodes of cluster.yaml, the head first."""

    def __init__(self, cluster: Any) -> None:  # noqa: ANN401 - Ray's Cluster has no types
        self._cluster = cluster
        self._types = yaml.safe_load((ROOT / "cluster.yaml").read_text())["available_node_types"]
        self._port = free_port()  # of the head, also of one that comes back
        self.started: list[Any] = []
        self.address = ""

    @property
    def head(self) -> str:
        return str(self.started[0].node_id)

    def add(self, kind: str) -> None:
        """Start a node of this kind, and wait until all know it."""
        self.started.append(self._start(kind))
        self.address = str(self._cluster.address)

    def end(self, number: int) -> None:
        """End a node as a loss of power does."""
        self._cluster.remove_node(self.started[number], allow_graceful=False)

    def start_head(self) -> None:
        """Start a head where the one was that ended."""
        self.started[0] = self._start("head")

    def end_control_service(self) -> None:
        """Kill the head's GCS alone."""
        self.started[0].kill_gcs_server()

    def start_control_service(self) -> None:
        self.started[0].start_gcs_server()

    def _start(self, kind: str) -> Any:  # noqa: ANN401 - as above
        resources = dict(self._types[kind]["resources"])
        options = {"num_cpus": resources.pop("CPU"), "resources": resources, "include_dashboard": kind == "head"}
        if kind == "head":
            options["gcs_server_port"] = self._port
        return self._cluster.add_node(object_store_memory=ray_environment.OBJECT_STORE_BYTES, **options)


@contextmanager
def nodes_of_the_cluster_file(*kinds: str) -> Iterator[Nodes]:
    """Ray with nodes of these kinds of cluster.yaml, the head first; this process is connected to it."""
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    cluster: Any = Cluster()
    nodes = Nodes(cluster)
    try:
        for kind in kinds:
            nodes.add(kind)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        yield nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


def print_found(
    observe: Callable[[Settings, Nodes], Coroutine[Any, Any, dict[str, Any]]], *kinds: str, **environment: str
) -> None:
    """Print what is found on such nodes as one line of JSON; `environment` is that of Ray besides its settings."""
    with tempfile.TemporaryDirectory(prefix="hf-", dir="/tmp") as folder:
        os.environ.update(ray_environment.RAY_SETTINGS | WITHOUT_HAPROXY | environment)
        os.environ["RAY_TMPDIR"] = folder
        (Path(folder) / "ray").mkdir()
        with nodes_of_the_cluster_file(*kinds) as nodes:
            found = asyncio.run(observe(load(), nodes))
    sys.stdout.write(json.dumps(found) + "\n")


def deploy_the_marketplace() -> None:
    """As `serve deploy config/serve.yaml` does, without the applications that serve streams alone."""
    from ray.serve.context import _get_global_client  # noqa: PLC0415 - as above
    from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

    marketplace, *_ = yaml.safe_load((ROOT / "config/serve.yaml").read_text())["applications"]
    client: Any = _get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate({"applications": [marketplace]}), _blocking=True)
