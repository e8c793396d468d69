"""Where the running market's database, Redis and Ray are, for commands that ask them."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from config import ray_environment
from config.settings import Settings

ADDRESS_FILE = "ray.address"
DATABASE_FILE = "database.address"
REDIS_FILE = "redis.address"
# What Ray calls the cluster that this machine is a node of.
THIS_CLUSTER = "auto"
_CONNECT_SECONDS = 1.0
# Of a command with the database, longer than that of a request: nobody else waits for it.
PATIENCE_MS = 60_000


class NotRunningError(Exception):
    """No market runs on this data folder."""


@dataclass(frozen=True, slots=True)
class RayAddress:
    """Where Ray is, and what a program has to have in its environment to be let in."""

    address: str
    environment: dict[str, str]

    def answers(self) -> bool:
        """Return whether anybody listens there, which Ray itself takes minutes to find out. Blocks for a second."""
        if self.address == THIS_CLUSTER:
            return True
        host, _, port = self.address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), _CONNECT_SECONDS):
                return True
        except (OSError, ValueError):
            return False


def with_database(settings: Settings) -> Settings:
    """Return the settings with the address of the running market's database.

    Raises NotRunningError when it is embedded and no market runs on DATA_DIR.
    """
    if settings.mongodb_url is not None:
        return settings
    return settings.model_copy(update={"mongodb_url": _noted(settings, DATABASE_FILE)})


def with_redis(settings: Settings) -> Settings:
    """Return the settings with the address of the running market's Redis.

    Raises NotRunningError when it is embedded and no market runs on DATA_DIR.
    """
    if settings.redis_url is not None:
        return settings
    return settings.model_copy(update={"redis_url": _noted(settings, REDIS_FILE)})


def ray_of(settings: Settings, address: str | None = None) -> RayAddress:
    """Return where the market's Ray is: at this address, beside the market on DATA_DIR, or on this node's cluster.

    On a cluster the environment says how Ray is used. Raises NotRunningError when no market runs on DATA_DIR and the
    database is embedded, so that there is no cluster.
    """
    if address is None and (settings.data_dir / ADDRESS_FILE).exists():
        return RayAddress(_noted(settings, ADDRESS_FILE), ray_environment.client_environment(settings))
    if address is None and settings.mongodb_url is None:
        raise _not_running(settings)
    return RayAddress(address or THIS_CLUSTER, {})


def _noted(settings: Settings, file: str) -> str:
    note = settings.data_dir / file
    if not note.exists():
        raise _not_running(settings)
    return note.read_text().strip()


def _not_running(settings: Settings) -> NotRunningError:
    return NotRunningError(f"no market runs on {settings.data_dir}: start one with `holdfast up`")


@contextmanager
def attached(settings: Settings) -> Iterator[None]:
    """Connect this process to the Ray of the market on DATA_DIR, or of the cluster that this machine is a node of.

    Raises NotRunningError.
    """
    place = ray_of(settings)
    if not place.answers():
        raise _not_running(settings)
    os.environ.update(place.environment)
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    from actors.cluster import names  # noqa: PLC0415 - as above

    try:
        connect_to_ray(place.address, names.namespace(settings))
    except ConnectionError as error:
        raise NotRunningError("no Ray runs here: give this command on a node of the market's cluster") from error
    try:
        yield
    finally:
        cast("Any", ray).shutdown()


def connect_to_ray(address: str, namespace: str) -> None:
    """Connect this process to Ray, which tells a command's user of lost nodes on stderr. Raises ConnectionError."""
    import ray  # noqa: PLC0415 - as above
    from ray._private import worker  # noqa: PLC0415 - as above

    tell = worker.print_to_stdstream

    # Also without `log_to_driver` Ray would say it on stdout, between the lines that programs read.
    def tell_on_stderr(data: Mapping[str, Any], ignore_prefix: bool) -> None:  # noqa: FBT001 - Ray's
        tell({**data, "is_err": True}, ignore_prefix)

    worker.print_to_stdstream = tell_on_stderr
    ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)
