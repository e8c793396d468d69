"""Two ledgers, an embedded database that lives as long as the test run, and a Stripe client over the sandbox."""

import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from actors.storage.sandbox_ledger import MongoLedger
from actors.stripe import Stripe, connect
from actors.stripe.sandbox import Ledger, MemoryLedger, Sandbox, SandboxHTTPClient
from tests.stripe.wire import API_KEY, Clock, Wire
from tests.support.commands import Commands

START_SECONDS = 30


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server of our own; ready when it answers a ping."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    storage = str(tmp_path_factory.mktemp("mongodb"))
    url = f"mongodb://127.0.0.1:{port}"
    command = _server_command(port, storage)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # a command of our own
        try:
            _wait_until_it_answers(url, server)
            yield url
        finally:
            server.terminate()


def _server_command(port: str, storage: str) -> list[str]:
    if mongod := shutil.which("mongod"):
        return [mongod, "--bind_ip", "127.0.0.1", "--port", port, "--dbpath", storage, "--quiet"]
    secantusd = str(Path(sys.executable).parent / "secantusd-py")
    return [secantusd, "--host", "127.0.0.1", "--port", port, "--storage-path", storage, "--log-level", "WARNING"]


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    with pymongo.MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=200) as client:
        while True:
            try:
                client.admin.command("ping")
            except pymongo.errors.PyMongoError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
            else:
                return


@pytest.fixture
def commands() -> Commands:
    """What is sent to the database of the test."""
    return Commands()


@pytest.fixture
async def database(mongodb_url: str, commands: Commands) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """An empty database."""
    async with AsyncMongoClient[dict[str, Any]](mongodb_url, event_listeners=[commands]) as client:
        name = f"stripe_{uuid.uuid4().hex}"
        yield client[name]
        await client.drop_database(name)


@pytest.fixture
async def mongo_ledger(database: AsyncDatabase[dict[str, Any]]) -> MongoLedger:
    """An empty ledger in the database."""
    ledger = MongoLedger(database)
    await ledger.create_indexes()
    return ledger


@pytest.fixture(params=["memory", "mongo"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Each of the two ledgers, empty."""
    if request.param == "memory":
        return MemoryLedger()
    mongo_ledger: MongoLedger = request.getfixturevalue("mongo_ledger")
    return mongo_ledger


@pytest.fixture
def clock() -> Clock:
    """The sandbox's clock."""
    return Clock()


@pytest.fixture
def sandbox(ledger: Ledger, clock: Clock) -> Sandbox:
    """A sandbox with a clock that stands still."""
    return Sandbox(ledger, now=clock)


@pytest.fixture
async def stripe(sandbox: Sandbox) -> AsyncIterator[Stripe]:
    """Our client, the real SDK and the sandbox."""
    client = connect(api_key=API_KEY, api_base=None, http_client=SandboxHTTPClient(sandbox))
    yield client
    await client.aclose()


@pytest.fixture
def wire(sandbox: Sandbox) -> Wire:
    """Requests as bytes, without the SDK."""
    return Wire(SandboxHTTPClient(sandbox))
