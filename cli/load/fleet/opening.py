"""Chooses where the generators of a load run."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

from cli.load.fleet import Fleet
from cli.load.fleet.processes import ProcessFleet
from cli.load.generator.generator import Assignment
from cli.running_market import ADDRESS_FILE, connect_to_ray
from config import ray_environment
from config.settings import Settings


@contextmanager
def opened(settings: Settings, assignments: Sequence[Assignment]) -> Iterator[Fleet]:
    """Give the generators, which end with the context.

    Several are actors where there is a Ray cluster of several nodes: RAY_ADDRESS, as `ray job submit` sets it, or the
    one of DATA_DIR. Otherwise they are processes, as actors on this machine would be no more than that.
    """
    if len(assignments) > 1 and _connect(settings):
        import ray  # noqa: PLC0415 - Ray reads its settings when it is imported

        try:
            if len([node for node in cast("Any", ray).nodes() if node["Alive"]]) > 1:
                from cli.load.fleet.ray_actors import RayFleet  # noqa: PLC0415 - as above

                with _closing(RayFleet(assignments)) as fleet:
                    yield fleet
                return
        finally:
            cast("Any", ray).shutdown()
    with _closing(ProcessFleet(assignments)) as processes:
        yield processes


@contextmanager
def _closing(fleet: Fleet) -> Iterator[Fleet]:
    try:
        yield fleet
    finally:
        fleet.close()


def _connect(settings: Settings) -> bool:
    """Connect to the Ray cluster if there is one; return whether there is."""
    address, note = os.environ.get("RAY_ADDRESS"), settings.data_dir / ADDRESS_FILE
    if address is None and note.exists():
        address = note.read_text().strip()
        os.environ.update(ray_environment.client_environment(settings))
    if address is None:
        return False
    from cli.load.fleet.ray_actors import NAMESPACE  # noqa: PLC0415 - as above

    # The note of a market that was killed leads nowhere.
    with suppress(ConnectionError):
        connect_to_ray(address, NAMESPACE)
        return True
    return False
