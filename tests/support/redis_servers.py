"""A Redis of one's own, set up as somebody else would."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from cli.up.embedded_servers import _redis_server
from config.ports import free_port, is_free

TRIES, PAUSE_SECONDS = 200, 0.05
BUS = 10_000


@contextmanager
def redis_with(folder: Path, *options: str) -> Iterator[str]:
    """The address of a Redis with these options, which keeps nothing; `folder` is where it works."""
    port = free_port()
    # Of a cluster each has a second port, which must not be one that Linux hands out (see config/ports.py) either.
    while "--cluster-enabled" in options and not (port + BUS < 32_768 and is_free(port + BUS)):
        port = free_port()
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
