"""Watches HAProxy, which Ray Serve starts and replaces, but not in every case."""

import os
import time

import psutil

from cli.up import process_tree

# Serve replaces a dead HAProxy within 5 s (three checks, then a start); after this long it will not.
_LOST_SECONDS = 15.0


class HAProxyMonitor:
    """Tells when the market has no HAProxy any more, and ends those whose market is gone."""

    def __init__(self, members: process_tree.ProcessTree) -> None:
        self._family = members
        self._market: int | None = None
        self._seen_at: float | None = None

    def is_lost(self, market_pid: int) -> bool:
        """Return whether the market ``market_pid`` had an HAProxy and has been without one for 15 seconds."""
        if market_pid != self._market:
            self._market, self._seen_at = market_pid, None
        serving = [each for each in self._family.haproxies() if not _is_orphan(each)]
        if serving:
            self._seen_at = time.monotonic()
            # One that its own proxy actor left behind would go on answering with old routes.
            process_tree.end((each for each in self._family.haproxies() if _is_orphan(each)), patience_seconds=1)
        return self._seen_at is not None and time.monotonic() - self._seen_at > _LOST_SECONDS


def _is_orphan(process: psutil.Process) -> bool:
    try:
        parent = process.parent()
    except psutil.Error:
        return False
    return parent is None or parent.pid in {1, os.getpid()}
