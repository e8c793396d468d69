"""``python -m cli.actors``: creates the market's actors on the Ray cluster that this machine belongs to.

``serve deploy`` then adds the marketplace. ``holdfast up`` does both by itself.
"""

import sys

import ray

from actors import cluster, names
from config.settings import SettingsError, load


def main() -> int:
    """Create the actors that are missing. Raises ConnectionError when no Ray runs on this machine."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ray.init(address="auto", namespace=names.namespace(settings), log_to_driver=False)
    cluster.start(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
