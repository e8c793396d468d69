"""A whole market as its users run it: `holdfast up` in a process of its own, in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from config.ports import free_port

START_SECONDS = 120
STOP_SECONDS = 45
HOLDFAST = Path(sys.executable).parent / "holdfast"


class RunningMarket:
    """A market in a folder. It can be stopped and started again, and its processes found."""

    def __init__(self, folder: Path, **settings: str | int) -> None:
        self.folder = folder
        self.port = free_port()
        # Ray's own settings are spelled in both cases, such as RAY_testing_rpc_failure.
        self._settings = {
            name if name.startswith("RAY_") else name.upper(): str(value) for name, value in settings.items()
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The market's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which commands find this market."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HOLDFAST_"))}
        own = {"DATA_DIR": str(self.folder), "HTTP_PORT": str(self.port), "DASHBOARD_PORT": "0", "RATE_LIMITS": "off"}
        return {**inherited, **own, **self._settings}

    @property
    def key(self) -> str:
        """The key that signs sessions."""
        return (self.folder / "jwt.key").read_text().strip()

    def start(self) -> None:
        """Start, and return when it is ready. Raises TimeoutError with the end of its log."""
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [HOLDFAST, "up"], env=self.environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        self.wait_until_ready(START_SECONDS)

    def wait_until_ready(self, seconds: float) -> float:
        """Return the seconds until the market answers that it is ready."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self._process is not None and self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):  # noqa: S310 - our own address
                    return time.monotonic() - began
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise TimeoutError(f"the market is not ready:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The end of its log."""
        return (self.folder / "up.log").read_text()[-4_000:]

    def stop(self) -> None:
        """Stop as Ctrl-C does."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._process = None

    @property
    def _root(self) -> psutil.Process:
        if self._process is None:
            raise RuntimeError("the market does not run")
        return psutil.Process(self._process.pid)

    def processes(self, *names: str) -> list[psutil.Process]:
        """The market's processes whose program, or its title as Ray sets it, has one of these names."""
        found = []
        for process in self._root.children(recursive=True):
            try:
                if {Path(word).name for word in " ".join(process.cmdline()).split()[:2]} & set(names):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def process_tree(self) -> list[psutil.Process]:
        """Every process of the market, `holdfast up` included."""
        return [self._root, *self._root.children(recursive=True)]

    def actors(self, class_name: str) -> list[psutil.Process]:
        """The processes of actors of this class, whatever they are doing: Ray adds the running method to the title."""
        found = []
        for process in self._root.children(recursive=True):
            try:
                if process.cmdline()[0].split(".")[0].strip() == f"ray::{class_name}":
                    found.append(process)
            except (psutil.Error, IndexError):
                continue
        return found

    @property
    def database(self) -> psutil.Process:
        """The database's server, whichever program stands in for it."""
        (server,) = self.processes("mongod", "secantusd-py")
        return server

    @property
    def database_url(self) -> str:
        """The address of its database: the one it was given, or that of the embedded one."""
        return self._settings.get("MONGODB_URL") or (self.folder / "database.address").read_text().strip()

    @property
    def redis(self) -> psutil.Process:
        """The Redis server."""
        (server,) = self.processes("redis-server")
        return server

    @property
    def redis_url(self) -> str:
        """The address of its Redis server, with the password."""
        port = next(each.laddr.port for each in self.redis.net_connections() if each.status == psutil.CONN_LISTEN)
        password = (self.folder / "redis.password").read_text()
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def status(self) -> list[dict[str, Any]]:
        """What `holdfast status` says of each actor."""
        answer = subprocess.run(  # noqa: S603 - our own command
            [HOLDFAST, "status", "--json"], env=self.environment, check=False, capture_output=True, cwd=self.folder
        )
        return list(json.loads(answer.stdout)["actors"])


@contextmanager
def running_market(folder: Path, **settings: str | int) -> Iterator[RunningMarket]:
    """A market that is ready; it is stopped at the end."""
    market = RunningMarket(folder, **settings)
    try:
        market.start()
        yield market
    finally:
        market.stop()
