"""The Ray that a command talks to: that of the market on DATA_DIR, or of the cluster that this machine belongs to."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from cli.running_market import ADDRESS_FILE, NotRunningError, attached
from config.settings import Settings


@contextmanager
def reached(settings: Settings) -> Iterator[None]:
    """Connect this process to Ray. Raises NotRunningError."""
    if settings.mongodb_url is None or (settings.data_dir / ADDRESS_FILE).exists():
        with attached(settings):
            yield
        return
    import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

    from actors.cluster import names  # noqa: PLC0415 - as above

    try:
        ray.init(address="auto", namespace=names.namespace(settings), log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise NotRunningError("no Ray runs on this machine: run this where the market runs") from error
    try:
        yield
    finally:
        cast("Any", ray).shutdown()
