"""What kind of server the database is, is asked once, and decides how it is asked for the rest."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import OperationFailure

from actors.domain.codec import Document
from actors.storage.catalogue import MongoCatalogue, TicketFilter
from actors.storage.database import connect, database_of, ensure_indexes
from actors.storage.embedded.catalogue import EmbeddedCatalogue
from actors.storage.embedded.server import EmbeddedServer
from actors.storage.orders import Orders
from actors.storage.server import MongoServer, server_of
from cli.running_market import PATIENCE_MS
from tests.support.commands import Commands
from tests.support.fake_mongod import FakeMongod, speaking_to

# Azure closes a connection after so many seconds without a command, SecantusDB after 300.
SHORTEST_SERVER_TIMEOUT_SECONDS = 240
UNTOLD = {"Unauthorized": 13, "CommandNotFound": 59}


async def test_embedded_database_is_known_by_its_build_info_and_asked_once(mongodb_url: str) -> None:
    if shutil.which("mongod"):
        pytest.skip("the tests run on mongod here")
    commands = Commands()
    # Clients of one address are one: another test may have asked by the other name.
    url = mongodb_url.replace("127.0.0.1", "localhost")
    client: AsyncMongoClient[Document] = AsyncMongoClient(url, event_listeners=[commands])
    async with client:
        database = database_of(client)
        servers = [await server_of(database) for _ in range(3)]
    assert type(servers[0]) is EmbeddedServer
    assert isinstance(servers[0].catalogue(database, Orders(database)), EmbeddedCatalogue)
    assert commands.names.count("buildInfo") == 1


async def test_mongod_is_asked_as_mongodb_is() -> None:
    server = FakeMongod()
    async with speaking_to(server) as database:
        known = await server_of(database)
        assert type(known) is MongoServer
        assert isinstance(known.catalogue(database, Orders(database)), MongoCatalogue)
        await ensure_indexes(database["things"], IndexModel("a"))
    assert [next(iter(command)) for command in server.asked] == ["createIndexes"]


async def test_a_database_that_says_nothing_for_a_while_costs_no_command_that_is_under_way() -> None:
    server = FakeMongod()
    patience_seconds = 20
    async with (
        server.running(),
        connect(f"{server.url}?heartbeatFrequencyMS=500", patience_ms=patience_seconds * 1_000) as client,
    ):
        things = database_of(client)["things"]
        await things.insert_one({"_id": 1})
        server.free.clear()
        under_way = asyncio.create_task(things.insert_one({"_id": 2}))
        # The next sign of life is asked for within half a second, and comes too late for a tenth of the patience.
        await asyncio.wait([under_way], timeout=patience_seconds / 10 + 1)
        server.free.set()
        assert (await under_way).acknowledged


async def test_a_command_waits_three_seconds_for_the_first_answer_of_a_database() -> None:
    server = FakeMongod()
    async with server.running(), connect(server.url, patience_ms=PATIENCE_MS) as client:
        server.free.clear()
        under_way = asyncio.create_task(database_of(client)["things"].insert_one({"_id": 1}))
        # A request is given up after one second without a server.
        await asyncio.wait([under_way], timeout=1.5)
        server.free.set()
        assert (await under_way).acknowledged


async def test_list_is_asked_of_mongod_in_one_query_that_ends_in_two_seconds() -> None:
    server = FakeMongod()
    async with speaking_to(server) as database:
        catalogue = (await server_of(database)).catalogue(database, Orders(database))
        assert (await catalogue.page(TicketFilter("-price"), 10, "0" * 34, 1)).items == []
    (asked,) = server.asked
    assert asked["filter"] == {"status": "available", "by_start": {"$gt": f"{1:015d}~"}, "by_price": {"$lt": "0" * 34}}
    assert (asked["sort"], asked["limit"]) == ({"by_price": -1}, 11)
    assert asked["maxTimeMS"] <= 2_000


@pytest.mark.parametrize("code", UNTOLD.values(), ids=UNTOLD)
async def test_server_that_does_not_tell_is_asked_as_mongodb_is(code: int) -> None:
    async with speaking_to(FakeMongod(buildInfo={"ok": 0.0, "errmsg": "no", "code": code})) as database:
        assert type(await server_of(database)) is MongoServer


async def test_server_that_cannot_answer_now_is_asked_again() -> None:
    server = FakeMongod(buildInfo={"ok": 0.0, "errmsg": "no", "code": 262})
    async with speaking_to(server) as database:
        with pytest.raises(OperationFailure):
            await server_of(database)
        server.answers["buildInfo"] = {"secantusVersion": "1"}
        assert type(await server_of(database)) is EmbeddedServer


def test_without_the_embedded_database_none_of_its_workarounds_is_loaded() -> None:
    imports = "import serve_app.services, actors.processes.servers, sys"
    loaded = "print([name for name in sys.modules if name.startswith('actors.storage.embedded')])"
    run = subprocess.run([sys.executable, "-c", f"{imports}; {loaded}"], capture_output=True, text=True, check=True)
    assert run.stdout.strip().splitlines()[-1] == "[]"


async def test_idle_connection_is_given_up_before_a_server_closes_it() -> None:
    """A command on a connection that the server has closed fails, and nobody knows whether it was carried out."""
    async with connect("mongodb://nobody.invalid") as client:
        idle_seconds = client.options.pool_options.max_idle_time_seconds
    assert idle_seconds is not None
    assert idle_seconds < SHORTEST_SERVER_TIMEOUT_SECONDS


def test_only_the_adapter_names_the_embedded_database() -> None:
    root = Path(__file__).parents[2]
    names = re.compile(r"embedded (?:database|server)|secantus", re.IGNORECASE)
    files = {
        str(path.relative_to(root))
        for folder in ("actors", "serve_app")
        for path in (root / folder).rglob("*.py")
        if names.search(path.read_text())
    }
    adapter = {file for file in files if file.startswith("actors/storage/embedded/")}
    assert adapter
    assert files - adapter == {"actors/storage/server.py"}
