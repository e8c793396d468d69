"""The market child as ``holdfast up`` sees it."""

import http.client
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from cli.up import data_dir, process_tree
from cli.up.watchdog import HeartbeatTimer
from config.settings import Settings

# Serve's own shutdown takes 2 to 4 s; what is left after this is ended by force.
_STOP_SECONDS = 10
# A beat comes every second; a machine under full load was seen to delay one by 3 s.
_SILENCE_SECONDS = 30
_FIRST_BEAT_SECONDS = 90


class MarketChild:
    """The process that runs Ray, the actors and the marketplace.

    It starts Ray at once, and what works on the database and Redis after `servers_answer`.
    """

    name = "market"

    def __init__(self, settings: Settings, environment: dict[str, str], end_remains: Callable[[], None]) -> None:
        self._settings = settings
        self._environment = environment
        self._end_remains = end_remains
        self._has_servers = False
        self.process = self._launch()

    @property
    def log(self) -> Path:
        """Where the child writes what it has to say."""
        return self._settings.data_dir / "logs" / "market.log"

    def servers_answer(self) -> None:
        """Tell the child that the database and Redis are there: also one that is started again later."""
        self._has_servers = True
        self._heartbeat.tell()

    def restart(self) -> None:
        """End the child if it still runs and start it again. It is ready some 15 seconds later."""
        self.stop()
        # A killed Ray takes its workers along, but an HAProxy would go on to hold the port.
        self._end_remains()
        self.process = self._launch()

    def stop(self) -> None:
        """Ask the child to stop Ray in order, and end it by force after 10 seconds."""
        process_tree.end_child(self.process, patience_seconds=_STOP_SECONDS)
        self._heartbeat.close()
        data_dir.forget(self._settings.data_dir, self.name)

    def is_hung(self) -> bool:
        """Return whether the child has been silent for 30 seconds, or for two minutes since its start."""
        return self._heartbeat.silence() > _SILENCE_SECONDS

    def is_ready(self) -> bool:
        """Return whether the marketplace says that its database and actors answer."""
        address = urlsplit(self._settings.local_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def log_tail(self) -> str:
        """Return the last line that the child wrote: of a start that failed, why."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "it said nothing")

    def _launch(self) -> "subprocess.Popen[bytes]":
        self._heartbeat = HeartbeatTimer(_FIRST_BEAT_SECONDS)
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as output:
            process = self._heartbeat.spawn(
                lambda line: subprocess.Popen(
                    [sys.executable, "-m", "cli.up.market_main"],
                    env=self._environment,
                    stdin=line,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )
        data_dir.remember(self._settings.data_dir, self.name, process.pid)
        if self._has_servers:
            self._heartbeat.tell()
        return process
