"""The line between ``holdfast up`` and its market child: a word to go on one way, beats the other, and its end."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable


class Watchdog:
    """The child's end, which is its standard input. ``on_parent_gone`` is called once, from a thread of its own."""

    def __init__(self, on_parent_gone: Callable[[], None]) -> None:
        self._line = socket.socket(fileno=os.dup(0))
        self._told = threading.Event()
        self._is_parent_gone = False
        # What the child starts gets an empty standard input instead of the line.
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a path of ours
            os.dup2(nothing.fileno(), 0)
        threading.Thread(target=self._wait_for_the_end, args=(on_parent_gone,), daemon=True).start()

    def beat(self) -> None:
        """Tell the parent that all is well."""
        try:
            self._line.send(b".")
        except OSError:
            return  # the parent is gone, which the other thread notices

    def may_go_on(self) -> bool:
        """Wait for the parent's word. Return whether it came, and not the parent's end."""
        self._told.wait()
        return not self._is_parent_gone

    def _wait_for_the_end(self, on_parent_gone: Callable[[], None]) -> None:
        while self._line.recv(1):
            self._told.set()  # the parent says nothing else
        self._is_parent_gone = True
        self._told.set()
        on_parent_gone()


class HeartbeatTimer:
    """The parent's end. The first beat may take ``first_beat_seconds``."""

    def __init__(self, first_beat_seconds: float) -> None:
        self._line, self._childs = socket.socketpair()
        self._line.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        self._last = time.monotonic() + first_beat_seconds

    def spawn(self, start: "Callable[[int], subprocess.Popen[bytes]]") -> "subprocess.Popen[bytes]":
        """Start the child with its end of the line as standard input."""
        with self._childs:
            return start(self._childs.fileno())

    def tell(self) -> None:
        """Give the child the word to go on."""
        with contextlib.suppress(OSError):  # it has ended, which whoever watches it notices
            self._line.send(b".")

    def silence(self) -> float:
        """Return the seconds since the last beat; negative while the first is not due."""
        try:
            while self._line.recv(4096):
                self._last = time.monotonic()
        except BlockingIOError:
            pass  # all that was said has been read
        return time.monotonic() - self._last

    def close(self) -> None:
        """Let go of the line, which the child takes for the end of its parent."""
        self._line.close()
