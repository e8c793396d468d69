"""The database that a benchmark runs on: the fast one, the embedded one of `holdfast up`, or one of yours by its URL.

The fast one is `mongod` if it is on PATH, else what `make fast-database` built. That one is a server for tests, and
loses to the embedded one in what matters outside of benchmarks: `benchmarks/fast_database_fault.py` shows it. So
`holdfast up` does not take it.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from cli.up import embedded_servers
from config.ports import free_port
from config.settings import Settings

FAST, EMBEDDED = "fast", "embedded"
PROGRAMS = ("mongod", "secantusd-rs")
_BUILT = Path(__file__).parents[2] / ".fast-database" / "bin" / "secantusd-rs"
_START_SECONDS = 30
_STOP_SECONDS = 10
_ANSWER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, with a database of one's own on it. `process` is None where it is not ours."""

    url: str
    process: psutil.Process | None = None


def fast_program() -> Path | None:
    """Where the fast database is; None when it is not on this machine."""
    if found := shutil.which("mongod"):
        return Path(found)
    return _BUILT if _BUILT.is_file() else None


def chosen(asked: str | None) -> str:
    """What to run on: what was asked for, or the fast one where it is there. Raises ValueError with what to do."""
    if asked is None:
        return FAST if fast_program() else EMBEDDED
    if asked == FAST and fast_program() is None:
        raise ValueError("the fast database is not here: `make fast-database` builds it")
    if asked not in {FAST, EMBEDDED} and urlsplit(asked).scheme not in {"mongodb", "mongodb+srv"}:
        raise ValueError(f"a database is {FAST}, {EMBEDDED}, or a URL that begins with mongodb://")
    return asked


@contextmanager
def running(choice: str) -> Iterator[Server | None]:
    """A server with an empty database, until the context ends. None for the embedded one: the market starts its own."""
    if choice == EMBEDDED:
        yield None
    elif choice == FAST:
        with _fast() as server:
            yield server
    else:
        own = urlsplit(choice)._replace(path=f"/bench_{ObjectId()}").geturl()
        try:
            yield Server(own)
        finally:
            with pymongo.MongoClient[dict[str, Any]](own) as client:
                client.drop_database(client.get_default_database().name)


@contextmanager
def running_beside(choice: str) -> Iterator[Server]:
    """A server of the kind that the market has, for what is measured without it."""
    with running(choice) as server, tempfile.TemporaryDirectory(prefix="holdfast-beside-") as folder:
        if server is not None:
            yield server
            return
        embedded = embedded_servers.start_database(Settings(data_dir=Path(folder)))
        try:
            yield Server(embedded.url, psutil.Process(embedded.process.pid))
        finally:
            embedded.stop()


def described(url: str) -> str:
    """The server's name and version, such as "MongoDB 8.0.4"."""
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        build = client.admin.command("buildInfo")
    if "secantusVersion" in build:
        return f"SecantusDB {build['secantusVersion']}, which says it is MongoDB {build['version']}"
    name = "FerretDB" if "ferretdb" in build else "MongoDB"
    return f"{name} {build['version']}"


def cpu_seconds(server: Server) -> float:
    """The processor time that it took so far; 0 where it is not ours."""
    if server.process is None:
        return 0.0
    times = server.process.cpu_times()
    return times.user + times.system


@contextmanager
def _fast() -> Iterator[Server]:
    program = fast_program()
    if program is None:
        raise FileNotFoundError("the fast database")
    with tempfile.TemporaryDirectory(prefix="holdfast-fast-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        data = Path(folder) / "data"
        data.mkdir()
        # Neither asks for a password: it lives as long as the benchmark, and answers this machine alone.
        command = {"mongod": _mongod, "secantusd-rs": _secantus}[program.name](str(program), str(data), port)
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
        try:
            url = f"mongodb://127.0.0.1:{port}/holdfast?directConnection=true"
            _wait(url, process, Path(folder) / "log")
            yield Server(url, psutil.Process(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _mongod(program: str, data: str, port: int) -> list[str]:
    return [program, "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1"]


def _secantus(program: str, data: str, port: int) -> list[str]:
    """As durable as the embedded one, and with as much memory: see `embedded_servers.start_database`."""
    return [
        program,
        "--storage-path", data,
        "--host", "127.0.0.1",
        "--port", str(port),
        "--cache-size", f"{embedded_servers.cache_bytes() >> 20}M",
        "--sync-on-commit",
        "--standalone",
    ]  # fmt: skip


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with pymongo.MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=_ANSWER_MS) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.admin.command("ping")
            except PyMongoError:
                time.sleep(0.05)
            else:
                return
    raise TimeoutError(f"the fast database did not start: {log.read_text(errors='replace')[-1_000:]}")
