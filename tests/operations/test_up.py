"""The whole of ``holdfast up``: minutes, because it starts Ray."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import psutil
import pytest

from cli.up import data_dir, process_tree
from config.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

ROOT = Path(__file__).parents[2]
UP = [sys.executable, "-c", "from cli.main import app; app(['up'])"]
READY_SECONDS = 120
# A few seconds on an idle machine.
COMES_BACK_SECONDS = 60


class Market:
    """A market that was started the way an operator starts one."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.folder = folder
        self.temporary = temporary
        self.http_port = free_port()
        self.environment = {
            **os.environ,
            "DATA_DIR": str(folder),
            "HTTP_PORT": str(self.http_port),
            "DASHBOARD_PORT": "0",
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(ROOT),
        }
        self.process = self.start()

    def start(self) -> "subprocess.Popen[str]":
        self.process = subprocess.Popen(
            UP,
            env=self.environment,
            cwd=self.folder.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def is_ready(self, host: str = "127.0.0.1") -> bool:
        try:
            with urllib.request.urlopen(f"http://{host}:{self.http_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def pid(self, name: str) -> int:
        """Return the pid of a child; 0 while it is being replaced."""
        try:
            return int(json.loads((self.folder / "pids" / f"{name}.json").read_text())["pid"])
        except FileNotFoundError:
            return 0

    def members(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def haproxy(self) -> psutil.Process | None:
        return next((process for process in self.members() if is_named(process, "haproxy")), None)


def down(market: Market) -> str:
    """Return what `holdfast down` says."""
    done = subprocess.run(
        [*UP[:2], "from cli.main import app; app(['down'])"],
        env=market.environment,
        cwd=market.folder.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    return done.stdout


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    # A short name: it is used for sockets.
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        running = Market(tmp_path_factory.mktemp("market") / "data", Path(temporary))
        try:
            until(running.is_ready, READY_SECONDS)
            yield running
        finally:
            if running.process.poll() is None:
                running.process.terminate()
                running.process.communicate(timeout=30)
            process_tree.end(data_dir.remembered(running.folder).values(), patience_seconds=5)


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def is_named(process: psutil.Process, name: str) -> bool:
    try:
        return bool(process.name() == name)
    except psutil.NoSuchProcess:
        return False  # gone since it was listed


def is_loopback(address: IPv4Address | IPv6Address) -> bool:
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_second_market_on_its_folder_is_refused_with_one_line(market: Market) -> None:
    refused = subprocess.run(
        UP,
        env={**os.environ, "DATA_DIR": str(market.folder), "PYTHONPATH": str(ROOT)},
        cwd=market.folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "set DATA_DIR" in refused.stderr


def test_commands_find_the_embedded_redis_of_the_running_market(market: Market) -> None:
    done = subprocess.run(
        [*UP[:2], "from cli.main import app; app(['events', 'groups', '--json'])"],
        env={**os.environ, "DATA_DIR": str(market.folder), "PYTHONPATH": str(ROOT)},
        cwd=market.folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "receipts" in {group["group"] for group in json.loads(done.stdout)}


def test_actors_log_lines_of_json(market: Market) -> None:
    (logs,) = market.temporary.glob("hf-*/ray/session_latest/logs")
    said = [
        line for log in logs.glob("worker-*.err") for line in log.read_text().splitlines() if "actor_started" in line
    ]
    assert {json.loads(line)["actor"] for line in said} >= {"tickets-0", "orders-0", "payments-0", "supervisor"}


def test_every_process_listens_to_this_machine_alone(market: Market) -> None:
    listening = {
        (process.name(), ip_address(connection.laddr.ip))
        for process in market.members()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert {"haproxy", "redis-server", "gcs_server", "raylet"} <= {name for name, _ in listening}
    assert [(name, str(ip)) for name, ip in listening if not is_loopback(ip)] == []


@pytest.mark.parametrize("host", ["localhost", "[::1]", "127.0.0.1"])
def test_the_market_answers_at_every_address_of_localhost(market: Market, host: str) -> None:
    assert market.is_ready(host)


def test_a_killed_haproxy_comes_back(market: Market) -> None:
    before = market.haproxy()
    assert before is not None
    before.kill()

    until(lambda: market.haproxy() not in {None, before} and market.is_ready(), COMES_BACK_SECONDS)


@pytest.mark.parametrize("name", ["database", "redis"])
def test_a_killed_server_comes_back(market: Market, name: str) -> None:
    before = market.pid(name)
    os.kill(before, signal.SIGKILL)

    until(lambda: market.pid(name) not in {0, before} and market.is_ready(), COMES_BACK_SECONDS)


def test_a_killed_market_child_comes_back_alone(market: Market) -> None:
    before, database = market.pid("market"), market.pid("database")
    old = psutil.Process(before).children(recursive=True)
    os.kill(before, signal.SIGKILL)

    until(lambda: not any(is_alive(process) for process in old), 30)
    until(market.is_ready, READY_SECONDS)

    assert market.pid("market") != before
    assert market.pid("database") == database


def test_processes_that_a_killed_holdfast_left_running_are_ended_at_the_next_start(market: Market) -> None:
    left = market.members()
    market.process.kill()
    market.process.communicate()

    market.start()
    until(lambda: not any(is_alive(process) for process in left), 30)

    until(market.is_ready, READY_SECONDS)


def test_after_a_stop_nothing_is_left(market: Market) -> None:
    members = market.members()
    market.process.send_signal(signal.SIGINT)
    output, _ = market.process.communicate(timeout=30)

    assert market.process.returncode == 0
    assert not [process for process in members if is_alive(process)]
    assert "stopped" in output
    assert list(market.temporary.iterdir()) == []
    assert list((market.folder / "logs" / "ray").glob("worker-*.err"))
    assert list(market.folder.glob("*.address")) == []


@pytest.mark.parametrize("is_killed", [False, True], ids=["running", "killed"])
def test_nothing_is_left_after_a_start_that_holdfast_down_interrupted(market: Market, *, is_killed: bool) -> None:
    market.start()
    until(lambda: any(market.temporary.glob("hf-*/ray/session_latest/logs/raylet.out")), READY_SECONDS)
    members = market.members()
    if is_killed:
        market.process.kill()
        market.process.wait()

    assert down(market).splitlines()[-1] == "stopped"
    market.process.communicate(timeout=5)
    assert not [process for process in members if is_alive(process)]
    assert list(market.temporary.iterdir()) == []
    assert list(market.folder.glob("*.address")) == []
    assert down(market).startswith("no market runs on ")
