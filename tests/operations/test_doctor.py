"""Each thing that the doctor looks for is provoked, and is told in one line that says what to do."""

import asyncio
import json
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.doctor import machine, servers
from cli.doctor.finding import Finding, Verdict
from config import ray_environment
from config.ports import free_port
from config.settings import Settings
from tests.support.command_line import run
from tests.support.fake_mongod import FakeMongod
from tests.support.redis_servers import redis_with

GIB = 1 << 30


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def doctor(folder: Path, **settings: str) -> tuple[int, dict[str, Any]]:
    """Return how the command ended, and its findings by subject."""
    return ended(run(folder, "doctor", "--json", **settings))


def ended(done: subprocess.CompletedProcess[str]) -> tuple[int, dict[str, Any]]:
    assert done.stderr == ""
    return done.returncode, {finding["subject"]: finding for finding in json.loads(done.stdout)}


def wrong(found: Sequence[Finding]) -> list[tuple[Verdict, str]]:
    return [(finding.verdict, finding.text) for finding in found if finding.verdict is not Verdict.OK]


def test_a_machine_without_trouble_has_no_finding(tmp_path: Path) -> None:
    status, found = doctor(tmp_path)
    assert status == 0
    assert {subject: finding["verdict"] for subject, finding in found.items()} == dict.fromkeys(found, "ok")
    assert found.keys() >= {
        "settings",
        "python",
        "open files",
        "disk",
        "memory",
        "haproxy",
        "ports",
        "database",
        "redis",
    }


@pytest.mark.parametrize(("version", "verdict"), [((3, 10), Verdict.PROBLEM), ((3, 14), Verdict.WARNING)])
def test_a_wrong_python_is_found(version: tuple[int, int], verdict: Verdict) -> None:
    finding = machine.python(version)
    assert finding.verdict is verdict
    assert "3.11" in finding.text


def test_too_few_open_files_are_found(tmp_path: Path) -> None:
    done = subprocess.run(
        [HOLDFAST, "doctor", "--json"], env=RunningMarket(tmp_path).environment, cwd=tmp_path, check=False,
        capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)),
    )  # fmt: skip
    status, found = ended(done)
    assert (status, found["open files"]["verdict"]) == (0, "warning")
    assert "512 files" in found["open files"]["text"]
    assert "ulimit -n" in found["open files"]["text"]


@pytest.mark.parametrize(("free", "verdict"), [(GIB // 2, Verdict.PROBLEM), (3 * GIB, Verdict.WARNING)])
def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * GIB, 100 * GIB - free, free))
    finding = machine.disk(tmp_path / "not yet there")
    assert finding.verdict is verdict
    assert str(tmp_path) in finding.text
    assert "make room" in finding.text


def test_little_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LITTLE_MEMORY_BYTES", 1 << 60)
    assert machine.memory().verdict is Verdict.WARNING


def test_a_missing_haproxy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_environment, "has_haproxy", lambda: False)
    assert machine.haproxy().verdict is Verdict.WARNING


def test_a_port_that_is_taken_is_found(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        status, found = doctor(tmp_path, HTTP_PORT=str(taken.getsockname()[1]))
    assert (status, found["ports"]["verdict"]) == (1, "problem")
    assert "set HTTP_PORT" in found["ports"]["text"]


def test_wrong_settings_are_found_and_not_repeated(tmp_path: Path) -> None:
    status, found = doctor(tmp_path, JWT_KEY="hunter2")
    assert (status, found["settings"]["verdict"]) == (1, "problem")
    assert "JWT_KEY" in found["settings"]["text"]
    assert "hunter2" not in json.dumps(found)


def test_a_database_that_is_away_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.up.start_checks._DATABASE_MS", 100)
    status, found = doctor(tmp_path, MONGODB_URL="mongodb://user:hunter2@127.0.0.1:1/holdfast")
    assert (status, found["database"]["verdict"]) == (1, "problem")
    assert "hunter2" not in json.dumps(found)


@pytest.mark.parametrize(("is_for_money", "verdict"), [(True, Verdict.PROBLEM), (False, Verdict.WARNING)])
async def test_a_database_that_is_no_replica_set_is_found(*, is_for_money: bool, verdict: Verdict) -> None:
    now = {"localTime": int(time.time() * 1_000)}
    async with FakeMongod(buildInfo={"version": "8.0.0", "ok": 1.0}).running() as mongod:
        mongod.answers["hello"] = {**mongod.hello(), **now}
        found = await asyncio.to_thread(lambda: list(servers.database(mongod.url, is_for_money=is_for_money)))
    (fault,) = wrong(found)
    assert fault[0] is verdict
    assert "replica set" in fault[1]


def test_the_embedded_kind_of_database_is_found_in_production_alone(mongodb_url: str) -> None:
    (fault,) = wrong(list(servers.database(mongodb_url, is_for_money=True)))
    assert fault[0] is Verdict.PROBLEM
    assert "MongoDB replica set" in fault[1]
    assert wrong(list(servers.database(mongodb_url, is_for_money=False))) == []


def test_a_clock_that_is_off_is_found(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 30)
    (fault,) = wrong(list(servers.database(mongodb_url, is_for_money=False)))
    assert "NTP" in fault[1]


def test_a_redis_that_is_away_is_found() -> None:
    ((verdict, text),) = wrong(list(servers.redis_findings("redis://:hunter2@127.0.0.1:1/0")))
    assert verdict is Verdict.PROBLEM
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("options", "verdict", "remedy"),
    [
        (
            ("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"),
            Verdict.WARNING,
            "noeviction",
        ),
        (("--appendonly", "no"), Verdict.WARNING, "appendonly"),
        (("--cluster-enabled", "yes"), Verdict.PROBLEM, "a single Redis"),
    ],
    ids=["evicts", "forgets", "cluster"],
)
def test_a_redis_that_does_not_suit_is_found(
    tmp_path: Path, options: tuple[str, ...], verdict: Verdict, remedy: str
) -> None:
    with redis_with(tmp_path, *options) as url:
        ((found, text),) = wrong(list(servers.redis_findings(url)))
    assert found is verdict
    assert remedy in text


@pytest.fixture
def stripe_that_refuses() -> Iterator[str]:
    """Serve the answer of Stripe to a key that it does not know."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
            ).encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Refusal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_wrong_stripe_key_is_found(stripe_that_refuses: str) -> None:
    finding = asyncio.run(
        servers.stripe(Settings(stripe_key=SecretStr("sk_test_hunter2"), stripe_api_base=stripe_that_refuses))
    )
    assert finding.verdict is Verdict.PROBLEM
    assert "STRIPE_KEY" in finding.text
    assert "hunter2" not in finding.text


def test_a_stripe_that_is_away_is_no_problem_of_the_market() -> None:
    finding = asyncio.run(
        servers.stripe(Settings(stripe_key=SecretStr("sk_test_1"), stripe_api_base="http://127.0.0.1:1"))
    )
    assert finding.verdict is Verdict.WARNING
