"""What a market that was killed left running and lying about."""

import shutil

import structlog

from cli.running_market import ADDRESS_FILE, DATABASE_FILE, REDIS_FILE
from cli.up import data_dir, process_tree
from config import ray_environment
from config.settings import Settings

_PATIENCE_SECONDS = 8

log = structlog.get_logger()


def end(settings: Settings, marker: str | None) -> int:
    """End the processes of an earlier market on DATA_DIR, remove what it kept elsewhere, and return how many they were.

    `marker` is that of the earlier market, as far as it is known. Call it only while holding the folder's lock.
    """
    folder = settings.data_dir
    processes = set(data_dir.remembered(folder).values())
    if marker is not None:
        processes.update(process_tree.marked(marker))
    if processes:
        log.warning("ending what an earlier market on this folder left running", processes=len(processes))
        process_tree.end(processes, _PATIENCE_SECONDS)
    shutil.rmtree(ray_environment.runtime_folder(settings), ignore_errors=True)
    return len(processes)


def remove_addresses(settings: Settings) -> None:
    """Forget where the market's servers were: other commands then say that no market runs."""
    for note in (ADDRESS_FILE, DATABASE_FILE, REDIS_FILE):
        (settings.data_dir / note).unlink(missing_ok=True)
