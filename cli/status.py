"""``holdfast status``: what the actors of a running market did so far, asked of them through Ray."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

from config import ray_environment
from config.settings import Settings

ADDRESS_FILE = "ray.address"
DATABASE_FILE = "database.address"
REDIS_FILE = "redis.address"


class NotRunningError(Exception):
    """No market runs on this data folder."""


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


def _noted(settings: Settings, file: str) -> str:
    note = settings.data_dir / file
    if not note.exists():
        raise NotRunningError(f"no market runs on {settings.data_dir}: start one with `holdfast up`")
    return note.read_text().strip()


@contextmanager
def attached(settings: Settings) -> Iterator[None]:
    """Connect this process to the Ray of the running market.

    Raises NotRunningError when no market runs on DATA_DIR.
    """
    address = _noted(settings, ADDRESS_FILE)
    os.environ.update(ray_environment.client_environment(settings))
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    from actors.cluster import names  # noqa: PLC0415 - as above

    namespace = names.namespace(settings)
    ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        cast("Any", ray).shutdown()


def heartbeats(settings: Settings) -> list[dict[str, Any]]:
    """Return the sign of life of every actor: name, writer, pid, node, counters.

    Raises NotRunningError when no market runs on DATA_DIR.
    """
    with attached(settings):
        import ray  # noqa: PLC0415 - as above

        from actors.cluster import names  # noqa: PLC0415 - as above
        from actors.cluster.heartbeat import Heartbeat  # noqa: PLC0415 - takes long to import
        from actors.cluster.serialization import unpack  # noqa: PLC0415 - as above

        namespace = names.namespace(settings)
        listed = cast("Any", ray.util.list_named_actors(all_namespaces=True))
        handles = [ray.get_actor(each["name"], namespace) for each in listed if each["namespace"] == namespace]
        answers: list[bytes] = ray.get([cast("Any", handle).ping_packed.remote() for handle in handles], timeout=10)
        found = [heartbeat for packed in answers for heartbeat in unpack(packed) if isinstance(heartbeat, Heartbeat)]
        return sorted((asdict(heartbeat) for heartbeat in found), key=lambda heartbeat: str(heartbeat["name"]))
