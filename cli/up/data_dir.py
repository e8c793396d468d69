"""The folder of one market: its lock, and what a market that was killed left running."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from cli.up import process_tree

# What the process of `holdfast up` itself is remembered as.
UP = "up"


class DataFolderInUseError(Exception):
    """Another command works on this folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for as long as the context lasts, making it if absent.

    Raises DataFolderInUseError when someone else holds it, and OSError when it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderInUseError(
                f"another command works on {folder}, such as `holdfast up` or `holdfast backup`: wait until it has "
                "ended, or set DATA_DIR (and the ports) for this one"
            ) from None
        yield


def remember(folder: Path, name: str, pid: int) -> None:
    """Note that the process ``pid`` is this folder's ``name``, so that a later start finds it."""
    noted = folder / "pids" / f"{name}.json"
    noted.parent.mkdir(exist_ok=True)
    process = psutil.Process(pid)
    draft = noted.with_suffix(".new")
    draft.write_text(json.dumps({"pid": pid, "started": process.create_time(), "folder": str(folder.resolve())}))
    draft.replace(noted)


def forget(folder: Path, name: str) -> None:
    """Drop the note about ``name``: it ended."""
    (folder / "pids" / f"{name}.json").unlink(missing_ok=True)


def remembered(folder: Path) -> dict[str, psutil.Process]:
    """Return the noted processes that still run, by name.

    A pid is given to a new process after some time, so the moment of its start has to fit as well. Notes in a copy of a
    folder are passed over: they name the processes of the original.
    """
    running: dict[str, psutil.Process] = {}
    here = str(folder.resolve())
    for noted in sorted((folder / "pids").glob("*.json")):
        try:
            note = json.loads(noted.read_text())
            if note.get("folder", here) != here:  # earlier releases noted none
                continue
            process = psutil.Process(note["pid"])
            if abs(process.create_time() - note["started"]) < 1 and process_tree.is_alive(process):
                running[noted.stem] = process
        except (ValueError, KeyError, psutil.NoSuchProcess):
            continue  # a torn note, or a process that is gone
    return running
