"""The processes of one market: which they are, and how none is left behind."""

import ctypes
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

MARKER = "HOLDFAST_MARKET"
_LOOK_SECONDS = 0.05


class ProcessTree:
    """All processes that came from this one, found by a marker in their environment and by their descent.

    Ray's agents and Redis write their titles over their environment (measured: the marker is gone), so descent counts
    too. After ``become_subreaper`` an orphan stays a descendant; elsewhere it is known from an earlier look.
    """

    def __init__(self, market: str) -> None:
        self.market = market
        # Each process with the pid of the parent that it had when it was first seen.
        self._seen: dict[psutil.Process, int] = {}

    def look(self) -> None:
        """Remember the present descendants, and bury adopted orphans that ended. Costs a few milliseconds."""
        self._seen = {process: parent for process, parent in self._seen.items() if process.is_running()}
        for process in psutil.Process().children(recursive=True):
            try:
                self._seen.setdefault(process, process.ppid())
                self._bury(process)
            except (psutil.Error, ChildProcessError):
                continue  # gone meanwhile

    def haproxies(self) -> list[psutil.Process]:
        """Return the HAProxy processes among those last seen."""
        return [process for process in self._seen if _name(process) == "haproxy"]

    def left(self) -> list[psutil.Process]:
        """Return every process of this market that still runs, apart from this one."""
        self.look()
        return [process for process in {*self._seen, *marked(self.market)} if is_alive(process)]

    def _bury(self, process: psutil.Process) -> None:
        # Those that began as children of this process are waited for by whoever started them.
        adopted = self._seen[process] != os.getpid() and process.ppid() == os.getpid()
        if adopted and process.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(process.pid, os.WNOHANG)


def become_subreaper() -> None:
    """Have orphaned descendants become children of this process, where the system offers that."""
    if sys.platform == "linux":
        # prctl(2): PR_SET_CHILD_SUBREAPER is 36. A refusal leaves the looks, as elsewhere.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def marked(market: str) -> Iterator[psutil.Process]:
    """Yield the processes that carry exactly this market's marker, and their descendants, apart from this process."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARKER) == market:
                yield process
                yield from process.children(recursive=True)
        except psutil.Error:
            continue  # gone meanwhile, or another user's


def end(processes: Iterable[psutil.Process], patience_seconds: float) -> None:
    """Ask the processes to end, and make them after ``patience_seconds``."""
    remaining = list(processes)
    for process in remaining:
        _signal(process.terminate)
    for process in _outlasting(remaining, patience_seconds):
        _signal(process.kill)
    _outlasting(remaining, 2)


def _outlasting(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for the processes to end, and return those that did not."""
    deadline = time.monotonic() + seconds
    while True:
        _, remaining = psutil.wait_procs(processes, timeout=0)
        processes = [process for process in remaining if is_alive(process)]
        if not processes or time.monotonic() > deadline:
            return processes
        time.sleep(_LOOK_SECONDS)


def new_marker(folder: Path) -> tuple[str, str | None]:
    """Put a new marker into this process's environment for its children; return it and the one of the start before.

    Call it only while holding the folder's lock: what still carries the older marker is a leftover.
    """
    before = last_marker(folder)
    os.environ[MARKER] = str(uuid.uuid4())
    (folder / "market").write_text(f"{os.environ[MARKER]} {folder.resolve()}\n")
    return os.environ[MARKER], before


def last_marker(folder: Path) -> str | None:
    """Return the marker of the last market that was started on the folder, None when there was none."""
    note = folder / "market"
    market, _, path = note.read_text().strip().partition(" ") if note.exists() else ("", "", "")
    # The folder's own path is noted too: a copy of a folder must not end the market of the original.
    return market if path == str(folder.resolve()) else None


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process runs; a zombie does not, it is for its parent to notice."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.Error:
        return


def end_child(process: subprocess.Popen[bytes], *, patience_seconds: float) -> None:
    """End a process that this one started, if it still runs: politely, and by force after so many seconds."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
