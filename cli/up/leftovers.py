"""What a market that was killed left running and lying about."""

import shutil
from pathlib import Path

import psutil
import structlog

from cli.running_market import ADDRESS_FILE, DATABASE_FILE, REDIS_FILE
from cli.up import data_dir, process_tree
from config import ray_environment
from config.settings import Settings

_PATIENCE_SECONDS = 8
_LOOKS = 5

log = structlog.get_logger()


def end(settings: Settings, marker: str | None) -> int:
    """End the processes of an earlier market on DATA_DIR, keep only its logs, and return how many processes they were.

    `marker` is that of the earlier market, as far as it is known. Call it only while holding the folder's lock.
    """
    ended = 0
    # Again, as one that is about to end may have started another: Ray's nodes start theirs one after the other.
    for _ in range(_LOOKS):
        processes = _left(settings.data_dir, marker)
        if not processes:
            break
        log.warning("ending what an earlier market on this folder left running", processes=len(processes))
        process_tree.end(processes, _PATIENCE_SECONDS)
        ended += len(processes)
    clear_up(settings)
    return ended


def clear_up(settings: Settings) -> None:
    """Keep the logs of Ray's last session with the others in DATA_DIR, and leave no temporary folder."""
    folder, kept = ray_environment.runtime_folder(settings), settings.data_dir / "logs" / "ray"
    session = (folder / "ray" / "session_latest" / "logs").resolve()
    if session.is_dir():
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        shutil.move(session, kept)
    shutil.rmtree(folder, ignore_errors=True)


def _left(folder: Path, marker: str | None) -> set[psutil.Process]:
    marked = process_tree.marked(marker) if marker is not None else ()
    return {process for process in (*data_dir.remembered(folder).values(), *marked) if process_tree.is_alive(process)}


def remove_addresses(settings: Settings) -> None:
    """Forget where the market's servers were: other commands then say that no market runs."""
    for note in (ADDRESS_FILE, DATABASE_FILE, REDIS_FILE):
        (settings.data_dir / note).unlink(missing_ok=True)
