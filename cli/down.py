"""``holdfast down``: stops the market on DATA_DIR, also what is left of one that was killed, or that of a cluster."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated, Any, cast

import psutil
import typer
from rich.console import Console

from actors.runtime.ports import HostUnreachableError
from cli.command_line import fail, load_settings
from cli.running_market import NotRunningError, attached
from cli.up import data_dir, leftovers, process_tree
from cli.up.data_dir import DataFolderInUseError
from config.settings import Settings

# `holdfast up` stops in order within some 30 s; after this it is ended by force, and the rest with it.
_PATIENCE_SECONDS = 45


def down(
    *, cluster: Annotated[bool, typer.Option("--cluster", help="the market on the Ray cluster of this machine")] = False
) -> None:
    """Stop the market on DATA_DIR, and what is left of one that was killed."""
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings()
    if cluster:
        _down_on_cluster(settings)
        return
    try:
        with console.status("stopping"):
            was_there = stop(settings)
    except (DataFolderInUseError, OSError) as error:
        fail(str(error), exit_code=1)
    console.print("stopped" if was_there else f"no market runs on {settings.data_dir}")


def _down_on_cluster(settings: Settings) -> None:
    try:
        stop_on_cluster(settings, typer.echo)
    except NotRunningError as error:
        fail(str(error), exit_code=1)
    except HostUnreachableError as error:
        fail(f"{error}: repeat this command", exit_code=1)


def stop(settings: Settings) -> bool:
    """Stop the market that runs on DATA_DIR, and return whether anything of one was left.

    Raises DataFolderInUseError when another command works on the folder.
    """
    folder = settings.data_dir
    if not folder.is_dir():
        return False
    running = data_dir.remembered(folder).get(data_dir.UP)
    if running is not None:
        with contextlib.suppress(psutil.Error):
            running.resume()  # one that was stopped (Ctrl-Z) would hear nothing
        process_tree.end([running], _PATIENCE_SECONDS)
    with data_dir.locked(folder):
        left = leftovers.end(settings, process_tree.last_marker(folder))
        leftovers.remove_addresses(settings)
    return running is not None or left > 0


def stop_on_cluster(settings: Settings, tell: Callable[[str], None]) -> None:
    """Stop the market on the Ray cluster that this machine is a node of. Ray goes on. `tell` is given a line of each.

    Raises NotRunningError without Ray, and HostUnreachableError when an actor does not end: it goes on with a repeat.
    """
    with attached(settings):
        from ray import serve  # noqa: PLC0415 - Ray reads its settings when it is imported

        from actors.processes import on_ray  # noqa: PLC0415 - as above

        # Replicas would create the Supervisor again. With Serve go its proxies, and HAProxy, on all nodes.
        cast("Any", serve).shutdown()
        tell("replicas and proxies ended")
        asyncio.run(on_ray.end_all(settings, tell))
