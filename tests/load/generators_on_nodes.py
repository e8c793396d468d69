"""``python -m tests.load.generators_on_nodes``: a load from actors on a cluster of a head, a worker and one for load.

A program, since Ray is global to a process. It prints what it found as a line of JSON for test_generators_on_nodes.py.
"""

import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, cast

from cli.load.fleet.opening import opened
from cli.load.measurement import measure
from config import ray_environment
from config.settings import Settings
from tests.load.support.plans import assignments, plan
from tests.load.support.server import server

GENERATORS = 2


def load_from(address: str, folder: Path) -> dict[str, Any]:
    """Make a load from this cluster, and say where it came from."""
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    os.environ["RAY_ADDRESS"] = address
    with server() as small:
        wanted = plan(target=f"http://127.0.0.1:{small.port}", rate=200.0, duration="1s", generators=GENERATORS)
        with opened(Settings(data_dir=folder), assignments(wanted)) as fleet:
            found = measure(wanted, fleet, lambda _: None)
            nodes = {node["NodeID"]: node["Resources"] for node in cast("Any", ray).nodes()}
            used = [nodes[node] for node in cast("Any", fleet)._nodes]
        paths = Counter(small.asked)
    return {
        "place": found.place,
        "asked": found.starts([0]).asked,
        "answered": found.answers([0]).outcomes.total(),
        "heard": paths.total(),
        "generators": sorted({index for second in found.seconds.values() for index in second.cpu_shares}),
        "used market nodes": [ray_environment.MARKET_RESOURCE in resources for resources in used],
        "is still connected": bool(ray.is_initialized()),
    }


def main() -> int:
    """Print what was found."""
    with tempfile.TemporaryDirectory(prefix="hf-", dir="/tmp") as folder:
        os.environ.update(ray_environment.RAY_SETTINGS)
        os.environ["RAY_TMPDIR"] = folder
        (Path(folder) / "ray").mkdir()
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - as above

        nodes: Any = Cluster()
        try:
            market = {ray_environment.MARKET_RESOURCE: ray_environment.MARKET_CAPACITY}
            for cpus, resources in ((0, {}), (2, market), (GENERATORS, {})):
                nodes.add_node(
                    num_cpus=cpus, resources=resources, object_store_memory=ray_environment.OBJECT_STORE_BYTES
                )
            nodes.wait_for_nodes()
            found = load_from(nodes.address, Path(folder))
        finally:
            nodes.shutdown()
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
