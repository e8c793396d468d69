"""``holdfast down``: stops the market on DATA_DIR, also what is left of one that was killed."""

import contextlib

import psutil
from rich.console import Console

from cli.command_line import fail, load_settings
from cli.up import data_dir, leftovers, process_tree
from cli.up.data_dir import DataFolderInUseError
from config.settings import Settings

# `holdfast up` stops in order within some 30 s; after this it is ended by force, and the rest with it.
_PATIENCE_SECONDS = 45


def down() -> None:
    """Stop the market on DATA_DIR, and what is left of one that was killed."""
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings()
    try:
        with console.status("stopping"):
            was_there = stop(settings)
    except (DataFolderInUseError, OSError) as error:
        fail(str(error), exit_code=1)
    console.print("stopped" if was_there else f"no market runs on {settings.data_dir}")


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
