"""``python -m cli.actors``: creates the market's actors on the Ray cluster that this machine belongs to.

``serve deploy`` then adds the marketplace. ``holdfast up`` does both by itself. With ``--replace`` all actors of a
running market are renewed one by one, with the code and the settings of now: see docs/operations.md, "Upgrading".
"""

import argparse
import asyncio
import sys
from functools import partial

import ray

from actors.cluster import names
from actors.processes import on_ray
from actors.runtime.ports import HostUnreachableError
from config import redis_server
from config.settings import SettingsError, load


def main(arguments: list[str] | None = None) -> int:
    """Create the actors that are missing, or renew all. Raises ConnectionError when no Ray runs on this machine."""
    parser = argparse.ArgumentParser(prog="python -m cli.actors", description="The market's actors on this Ray on_ray.")
    parser.add_argument("--replace", action="store_true", help="renew all of a running market, one by one")
    options = parser.parse_args(arguments)
    try:
        settings = load()
        if settings.redis_url is not None:
            redis_server.check(settings.redis_url)
    except (SettingsError, redis_server.UnsuitableRedisError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ray.init(address="auto", namespace=names.namespace(settings), log_to_driver=False)
    if not options.replace:
        on_ray.start(settings)
        return 0
    try:
        asyncio.run(on_ray.renew(settings, partial(print, flush=True)))
    except HostUnreachableError as error:
        sys.stderr.write(f"{error}: see its log, then repeat this command\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
