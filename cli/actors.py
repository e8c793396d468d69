"""The market's actors on the Ray cluster that this machine belongs to: `holdfast actors renew`."""

import asyncio
from collections.abc import Callable

import ray

from actors.cluster import names
from actors.processes import on_ray
from config import redis_server
from config.settings import Settings


def renew(settings: Settings, say: Callable[[str], None]) -> None:
    """Renew all actors of a running market one by one, with the code and the settings of now.

    See docs/operations.md, "Upgrading". Raises HostUnreachableError, UnsuitableRedisError, and ConnectionError when no
    Ray runs on this machine.
    """
    _connect(settings)
    asyncio.run(on_ray.renew(settings, say))


def _connect(settings: Settings) -> None:
    if settings.redis_url is not None:
        redis_server.check(settings.redis_url)
    ray.init(address="auto", namespace=names.namespace(settings), log_to_driver=False)
