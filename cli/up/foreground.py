"""``holdfast up``: starts everything that one market needs, watches it, and stops all of it."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog
from rich.console import Console

from actors.runtime.ports import StoreUnavailableError
from actors.storage.schema import UnusableDataError
from cli.data.work import prepare
from cli.doctor import servers
from cli.doctor.finding import Verdict
from cli.running_market import DATABASE_FILE, REDIS_FILE
from cli.up import data_dir, embedded_servers, leftovers, market_main, process_tree
from cli.up.haproxy import HAProxyMonitor
from cli.up.market_process import MarketChild
from cli.up.restarter import Restarter
from cli.up.start_checks import StartError, checked
from config import ports, ray_environment, secret_file
from config.ports import MarketPorts
from config.settings import SETTINGS_FILE, Settings

_LOOK_SECONDS = 0.5
_LOOKS_PER_SEARCH = 4  # a search through all processes takes 10 ms: every two seconds it costs half a percent of a core
_START_SECONDS = 180  # 17 on two idle cores, 60 on two busy ones
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = structlog.get_logger()


class _StopRequested(BaseException):
    """Ctrl-C, SIGTERM, or the terminal is gone. No error: nothing on its way up may take it for one."""


def run(settings: Settings, console: Console) -> None:
    """Run a market in the foreground until SIGINT, SIGTERM or SIGHUP, and leave no process behind.

    Raises StartError, DataFolderInUseError, NoFreePortsError, ServerError or OSError when it cannot start.
    """
    with data_dir.locked(settings.data_dir), ports.reserve() as own_ports:
        process_tree.become_subreaper()
        marker, before = process_tree.new_marker(settings.data_dir)
        leftovers.end(settings, before)
        leftovers.remove_addresses(settings)
        data_dir.remember(settings.data_dir, data_dir.UP, os.getpid())
        settings = checked(settings)
        _warn_of_what_is_not_for_money(settings)
        running = _Running(settings, own_ports, process_tree.ProcessTree(marker), console)
        try:
            with _stop_requests():
                running.start()
                running.watch()
        except _StopRequested:
            pass
        finally:
            running.stop()


class _Running:
    """One market from its start to its stop."""

    def __init__(
        self, settings: Settings, own_ports: MarketPorts, members: process_tree.ProcessTree, console: Console
    ) -> None:
        self._settings = settings
        self._ports = own_ports
        self._family = members
        self._console = console
        self._servers: list[Restarter] = []
        self._market: MarketChild | None = None

    def start(self) -> None:
        began = time.monotonic()
        environment = {
            **os.environ,
            **_settings_by_reference(),
            # What this process goes by as long as it lives.
            "HTTP_HOST": self._settings.http_host,
            "HTTP_PORT": str(self._settings.http_port),
            "DASHBOARD_PORT": str(self._settings.dashboard_port),
            "DATA_DIR": str(self._settings.data_dir.resolve()),
            market_main.PORTS: str(self._ports.base),
        }
        secret_file.read_or_create(self._settings.data_dir / "ray.token")
        if not ray_environment.has_haproxy():
            self._console.print("HAProxy is not here (Ray brings it on Linux only): requests go through Python, slowly")
        settings = self._settings
        if settings.mongodb_url is None:
            environment["MONGODB_URL"] = embedded_servers.database_url(settings, self._ports.database)
        else:
            _bring_up_to_date(settings.mongodb_url)
        if settings.redis_url is None:
            environment["REDIS_URL"] = embedded_servers.redis_url(settings, self._ports.redis)
        # Ray takes seconds, and needs neither of them.
        self._market = MarketChild(settings, environment, self._end_remains)
        if settings.mongodb_url is None:
            with self._console.status("starting the database"):
                database = embedded_servers.start_database(settings, self._ports.database)
                self._servers.append(Restarter(database))
                secret_file.write(settings.data_dir / DATABASE_FILE, database.url)
                _bring_up_to_date(database.url)
        if settings.redis_url is None:
            with self._console.status("starting Redis"):
                redis = embedded_servers.start_redis(settings, self._ports.redis)
                self._servers.append(Restarter(redis))
                secret_file.write(settings.data_dir / REDIS_FILE, redis.url)
        with self._console.status("starting Ray and the market"):
            self._market.servers_answer()
            self._wait_until_ready(self._market)
        self._say_where(time.monotonic() - began)

    def watch(self) -> None:
        child = self._market
        assert child is not None  # noqa: S101 - start() came first
        watch_market, ingress = Restarter(child), HAProxyMonitor(self._family)
        for turn in itertools.count():
            time.sleep(_LOOK_SECONDS)
            for watch in (*self._servers, watch_market):
                watch.look()
            if turn % _LOOKS_PER_SEARCH == 0:
                self._family.look()
                if ingress.is_lost(child.process.pid):
                    log.warning("HAProxy is gone and did not come back: starting again", what=child.name)
                    watch_market.replace()
            if watch_market.is_new() and child.is_ready():
                watch_market.mark_working()
                log.info("ready again", what=child.name)

    def stop(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it stops already, in bounded time
        with self._console.status("stopping"):
            leftovers.remove_addresses(self._settings)
            if self._market is not None:
                self._market.stop()
            for watch in reversed(self._servers):
                watch.child.stop()
            process_tree.end(self._family.left(), patience_seconds=3)
            leftovers.clear_up(self._settings)
            data_dir.forget(self._settings.data_dir, data_dir.UP)
        self._console.print("stopped")

    def _end_remains(self) -> None:
        servers = {watch.child.process.pid for watch in self._servers}
        process_tree.end((each for each in self._family.left() if each.pid not in servers), patience_seconds=3)

    def _wait_until_ready(self, child: MarketChild) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not child.is_ready():
            if child.process.poll() is not None:
                raise StartError(f"the market did not start: {child.log_tail()} (more in {child.log})")
            if time.monotonic() > deadline:
                raise StartError(f"the market is not ready after {_START_SECONDS} s: {child.log_tail()} ({child.log})")
            self._family.look()
            time.sleep(0.2)

    def _say_where(self, seconds: float) -> None:
        data_dir = self._settings.data_dir.resolve()
        self._console.print(f"Holdfast is ready after {seconds:.0f} s. Ctrl-C stops it.")
        self._console.print(f"  marketplace    {self._settings.public_url}")
        self._console.print(f"  API docs       {self._settings.public_url}/docs")
        if self._settings.dashboard_port:
            self._console.print(f"  Ray dashboard  http://localhost:{self._settings.dashboard_port}")
            self._console.print(f"                 (it asks for the token in {data_dir / 'ray.token'})")
        if self._settings.smtp_url is None:
            self._console.print(f"  mail           {data_dir / 'mail'} (set SMTP_URL to send it)")
        self._console.print(f"  data and logs  {data_dir}")
        if self._settings.sandbox_payments and self._settings.holdfast_env != "production":
            self._console.print(
                "`holdfast seed`, in a second terminal (.venv/bin/holdfast), fills it with tickets to look at."
            )


def _warn_of_what_is_not_for_money(settings: Settings) -> None:
    if settings.holdfast_env == "production":
        for finding in servers.findings(settings):
            if finding.verdict is not Verdict.OK:
                log.warning("not_fit_for_production", subject=finding.subject, fault=finding.text)


def _settings_by_reference() -> dict[str, str]:
    """Return where every process of the market finds the file that this one read, whatever folder it is in."""
    file = Path(os.environ.get(SETTINGS_FILE, ".env"))
    return {SETTINGS_FILE: str(file.resolve())} if file.is_file() else {}


def _bring_up_to_date(url: str) -> None:
    """Migrate the database before anything works on it. Raises StartError."""
    try:
        asyncio.run(prepare(url))
    except UnusableDataError as error:
        raise StartError(str(error)) from None
    except StoreUnavailableError as error:
        raise StartError(f"the database does not answer ({error}): start it, or correct MONGODB_URL") from None


@contextmanager
def _stop_requests() -> Iterator[None]:
    def request(_number: int, _frame: FrameType | None) -> None:
        raise _StopRequested

    for number in _SIGNALS:
        signal.signal(number, request)
    yield
