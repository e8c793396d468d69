"""A Redis of one's own, set up as somebody else would."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from cli.up.embedded_servers import _redis_server
from config.ports import NoFreePortsError, free_port, is_free

TRIES, PAUSE_SECONDS = 200, 0.05
BUS = 10_000


@contextmanager
def redis_with(folder: Path, *options: str) -> Iterator[str]:
    """The address of a Redis with these options, which keeps nothing; `folder` is where it works."""
    port = _free_port_below_its_bus() if "--cluster-enabled" in options else free_port()
    command = [_redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    server = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    try:
        url = f"redis://127.0.0.1:{port}/0"
        retry = Retry(ConstantBackoff(PAUSE_SECONDS), TRIES)
        with redis.Redis.from_url(url, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
            client.ping()
        yield url
    finally:
        server.kill()
        server.wait()


def _free_port_below_its_bus() -> int:
    """Return a port for a Redis of a cluster, which listens at a second one: so that one is this worker's own."""
    for _ in range(TRIES):
        if is_free(port := free_port() - BUS):
            return port
    raise NoFreePortsError(f"no port is free {BUS} below one of ours")
