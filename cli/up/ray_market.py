"""Ray, the actors and the marketplace. Import it only after Ray's settings are in the environment."""

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import psutil
import ray
import structlog
from ray import serve
from ray._private import worker
from ray._private.node import Node

from actors.cluster import names
from actors.processes import on_ray, ray_actors
from cli.running_market import ADDRESS_FILE
from config import ray_environment
from config.ports import MarketPorts
from config.settings import Settings
from serve_app import replicas

# Where Prometheus finds it, as its `file_sd_configs` want it (deploy/monitoring/prometheus.yml).
PROMETHEUS_FILE = "prometheus.json"
LOOPBACK = "127.0.0.1"
# GCS answers in under a millisecond; under full load 0.3 s was seen.
_RAY_ANSWERS_SECONDS = 5.0

log = structlog.get_logger()


def start_ray(settings: Settings, folder: Path, ports: MarketPorts) -> None:
    """Start Ray on this machine, with its sockets and logs in ``folder``. Raises what ``ray.init`` raises."""
    _leave_out_what_one_machine_does_not_need()
    ray.init(
        address="local",
        namespace=names.namespace(settings),
        include_dashboard=settings.dashboard_port != 0,
        dashboard_host=LOOPBACK,
        dashboard_port=settings.dashboard_port or None,
        # Logical: actors ask for fractions, and a small machine must not refuse them.
        num_cpus=max(os.cpu_count() or 1, 4),
        resources={ray_environment.MARKET_RESOURCE: ray_environment.MARKET_CAPACITY},
        object_store_memory=ray_environment.OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _metrics_export_port=ports.metrics,
        _temp_dir=str(folder / "ray"),
    )
    # Where `holdfast status` finds it.
    (settings.data_dir / ADDRESS_FILE).write_text(ray.get_runtime_context().gcs_address)
    targets = [f"{LOOPBACK}:{port}" for port in (ports.metrics, ports.haproxy_metrics)]
    (settings.data_dir / PROMETHEUS_FILE).write_text(json.dumps([{"targets": targets}]))


def _leave_out_what_one_machine_does_not_need() -> None:
    """Leave out what asks clouds for nodes and what copies logs to drivers, 50 MB each: `ray.init` has no option."""
    node = cast("Any", Node)
    node.start_monitor = node.start_log_monitor = lambda _: None


def start_market(settings: Settings) -> None:
    """Start the actors and the marketplace; return when it answers requests."""
    # Serve's own processes take seconds to start and need nothing of the actors: both start at once. The replicas would
    # create the Supervisor as well, which creates all others.
    with ThreadPoolExecutor(max_workers=1) as beside:
        ingress = beside.submit(_start_ingress, settings)
        ray_actors.create(names.SUPERVISOR, settings, on_ray.RaySystem())
        ingress.result()
    replicas.deploy(settings)


def reason(error: Exception) -> str:
    """Return in one line why the market did not start, as far as it can be known.

    Serve says of a deployment only that it failed; why is in the deployment's own message, and there in the last line.
    """
    told = [type(error).__name__, str(error)]
    if ray.is_initialized():  # without Ray the question would start one
        try:
            applications = serve.status().applications.values()
            told += [one.message for each in applications for one in each.deployments.values()]
        except Exception as unknown:  # noqa: BLE001 - then there is only what was raised
            log.warning("serve has no status", error=type(unknown).__name__)
    return [line.strip() for line in "\n".join(told).splitlines() if line.strip()][-1]


def is_alive() -> bool:
    """Return whether Ray's processes on this machine run and answer."""
    # Ray's own view lags: 15 s after its raylet was killed, GCS still called the node alive (measured).
    running = {process.name() for process in psutil.Process().children() if process.status() != psutil.STATUS_ZOMBIE}
    if gone := {"gcs_server", "raylet"} - running:
        log.warning("a part of Ray ended", gone=sorted(gone))
        return False
    gcs: Any = cast("Any", worker.global_worker).gcs_client
    try:
        # The cheapest question with a timeout. (check_alive would fit, but it crashes the process when GCS is away.)
        gcs.internal_kv_exists(b"holdfast", b"holdfast", timeout=_RAY_ANSWERS_SECONDS)
        return any(node["Alive"] for node in cast("Any", ray).nodes())
    except Exception as error:  # noqa: BLE001 - whatever Ray raises here, the answer is no
        log.warning("Ray did not answer", error=type(error).__name__)
        return False


def stop() -> None:
    """Stop the marketplace and Ray in order, in about three seconds."""
    cast("Any", serve).shutdown()
    cast("Any", ray).shutdown()


def _start_ingress(settings: Settings) -> None:
    # With HAProxy this is where replicas and Serve's own proxy listen, which HAProxy asks; it listens at HTTP_HOST.
    host = LOOPBACK if ray_environment.has_haproxy() else settings.http_hosts[0]
    serve.start(
        http_options={"host": host, "port": settings.http_port},
        logging_config=replicas.QUIET,
    )
