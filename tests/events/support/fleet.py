"""Members of one group as processes that can be killed and stopped, and what they handled."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Fleet:
    """Processes that handle events and write them into one file."""

    def __init__(self, url: str, folder: Path, ack_wait: float, sabotage: str | None = None) -> None:
        self._file = folder / "handled"
        self._arguments = [str(self._file), str(ack_wait), *([sabotage] if sabotage else [])]
        self._url = url
        self._numbers = itertools.count(1)
        self.members: list[subprocess.Popen[bytes]] = []
        self._client_id = ""
        self._working: set[str] = set()
        self._handled: list[tuple[str, int]] = []
        self._read_to = 0
        self.deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self.members:
            self.kill()

    def start(self) -> None:
        """Start a member."""
        self._client_id = f"member-{next(self._numbers)}"
        command = [sys.executable, "-m", "tests.events.support.member", self._url, self._client_id]
        self.members.append(subprocess.Popen(command + self._arguments, env={**os.environ, "PYTHONPATH": "."}))

    def kill(self) -> None:
        """Kill the member that runs longest."""
        self.deaths += 1
        member = self.members.pop(0)
        member.kill()
        member.wait()

    def stop(self) -> None:
        """Stop the member that runs longest, without ending it."""
        self.members[0].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the stopped member go on."""
        self.members[0].send_signal(signal.SIGCONT)

    def has_joined(self) -> bool:
        """Return whether the newest member has handled something."""
        self.handled()
        return self._client_id in self._working

    def handled(self) -> list[tuple[str, int]]:
        """Return entities and versions in the order in which they were handled."""
        if self._file.exists():
            with self._file.open() as file:
                file.seek(self._read_to)
                new = file.read()
            new = new[: new.rfind("\n") + 1]  # the last line may be half written
            self._read_to += len(new)
            for line in new.splitlines():
                entity, version, event_id, client_id = line.split()
                self._working.add(client_id)
                assert event_id == f"{entity}:{version}"
                self._handled.append((entity, int(version)))
        return self._handled
