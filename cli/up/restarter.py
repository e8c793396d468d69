"""One watched child and when it is started again."""

import subprocess
import time
from collections.abc import Callable
from typing import Protocol

import structlog

_LONGEST_WAIT_SECONDS = 30.0
_STEADY_SECONDS = 60.0

log = structlog.get_logger()


class Child(Protocol):
    """What a supervisor needs of a child."""

    name: str
    process: "subprocess.Popen[bytes]"

    def restart(self) -> None:
        """End what is left of the child and start it again."""

    def stop(self) -> None:
        """End the child."""

    def is_hung(self) -> bool:
        """Return whether the child runs but has been silent for too long."""


class Restarter:
    """Starts its child again when it ended, ever less eagerly while that does not help."""

    def __init__(self, child: Child, clock: Callable[[], float] = time.monotonic) -> None:
        self.child = child
        self._clock = clock
        self._failures = 0
        self._started = self._clock()
        self._not_before: float | None = None
        self._is_new = False

    def look(self) -> None:
        """Start the child again if it hangs, or if it ended and its wait is over."""
        code = self.child.process.poll()
        if code is None:
            if self.child.is_hung():
                log.warning("silent and will be started again", what=self.child.name)
                self.replace()
            return
        now = self._clock()
        if self._not_before is None:
            if now - self._started > _STEADY_SECONDS:
                self._failures = 0
            wait_seconds = 0.0 if self._failures == 0 else min(2.0**self._failures, _LONGEST_WAIT_SECONDS)
            self._not_before = now + wait_seconds
            log.warning(
                "ended and will be started again", what=self.child.name, exit_code=code, in_seconds=wait_seconds
            )
        if now >= self._not_before:
            self.replace()

    def is_new(self) -> bool:
        """Return whether the child was started again and has not been seen to work since."""
        return self._is_new

    def mark_working(self) -> None:
        """Note that the child works."""
        self._is_new = False

    def replace(self) -> None:
        """Start the child again now. A start that fails counts like an end."""
        self._failures += 1
        self._is_new = True
        self._not_before = None
        self._started = self._clock()
        try:
            self.child.restart()
        except Exception as error:  # noqa: BLE001 - whatever failed, the next look tries again
            log.error("did not start", what=self.child.name, error=str(error))
