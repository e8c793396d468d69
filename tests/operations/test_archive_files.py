"""The files of an archive: with `backup` and `restore`, named when they are gone, and what the command says of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bson import ObjectId

from actors.runtime.ports import Commit, FencedError
from actors.storage import schema
from actors.storage.archive_files import ArchivedCommits, archived_commits
from actors.storage.backup import Backup
from actors.storage.backup_files import BackupError
from actors.storage.database import Database, connect, database_of
from actors.storage.journal import MongoJournal
from actors.storage.schema import UnusableDataError, check_schema
from tests.operations.archiving import archived, everything_in, files_in, is_relayed, withdrawn
from tests.operations.test_rebuild import ALL, raw
from tests.support.buying import an_order
from tests.support.command_line import run
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.refunding import a_sale


@pytest.fixture
async def target(mongodb_url: str) -> AsyncIterator[Database]:
    """An empty database."""
    async with connect(urlsplit(mongodb_url)._replace(path=f"/t{ObjectId()}").geturl()) as client:
        yield database_of(client)


async def test_a_backup_is_restored_with_the_archive_beside_it_and_not_without(
    tmp_path: Path, market: LocalMarket, target: Database
) -> None:
    own = market.connections
    for _ in range(2):
        await a_sale(market)
    await an_order(market)
    await archived(market, tmp_path / "archive")
    before, journal = await raw(own.database), await everything_in(own.database)
    await Backup(own.database, own.clock, clocks_apart_ms=10).write(tmp_path / "backup")
    url = urlsplit(str(market.settings.mongodb_url))._replace(path=f"/{target.name}").geturl()
    (file,) = files_in(tmp_path / "archive")
    content = file.read_bytes()
    for damage, said in ((content[:-9], "damaged"), (None, "is not in")):
        file.unlink() if damage is None else file.write_bytes(damage)
        refused = await asyncio.to_thread(run, tmp_path, "restore", "backup", "--archive", "archive", MONGODB_URL=url)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
        assert said in refused.stderr
    assert await target.list_collection_names() == []
    file.write_bytes(content)
    done = await asyncio.to_thread(run, tmp_path, "restore", "backup", "--archive", "archive", MONGODB_URL=url)
    assert done.returncode == 0, done.stderr + done.stdout
    assert (await raw(target), await everything_in(target)) == (before, journal)
    with pytest.raises(FencedError):
        await MongoJournal(target).append(Commit("another", 1, 1, (next(iter(journal.values()))["keys"][0],), ()))


async def test_an_older_release_is_refused_from_the_first_archive_on(
    tmp_path: Path, market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = market.connections.database
    await withdrawn(market)
    monkeypatch.setattr(schema, "SCHEMA", schema.ARCHIVES - 1)
    await check_schema(database)
    await archived(market, tmp_path)
    with pytest.raises(UnusableDataError, match="of a newer release"):
        await check_schema(database)


async def test_the_command_says_what_it_did_and_refuses_what_is_too_young(tmp_path: Path, market: LocalMarket) -> None:
    url, database = str(market.settings.mongodb_url), market.connections.database
    ticket_id = await withdrawn(market)
    await market.writes_everything()
    await eventually(lambda: is_relayed(market))
    long_ago = {"at": 1_600_000_000_000}
    await database["journal"].update_many({}, {"$set": long_ago})
    for collection in ALL:
        await database[collection].update_many({}, {"$set": {"updated_at": long_ago["at"]}})
    young = await asyncio.to_thread(run, tmp_path, "archive", "--before", "2026-11-01", MONGODB_URL=url)
    assert (young.returncode, young.stderr.count("\n")) == (2, 1)
    assert "less than 180 days ago" in young.stderr
    results = []
    for options in (("--dry-run",), (), ()):
        done = await asyncio.to_thread(
            run, tmp_path, "archive", "--before", "2025-01-01", "--to", "a", "--json", *options, MONGODB_URL=url
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
        assert (tmp_path / "a").exists() is bool(results[-1]["files"] or len(results) > 1)
    assert [(one["dryRun"], one["commits"], len(one["files"])) for one in results] == [
        (True, 5, 0), (False, 5, 1), (False, 0, 0),
    ]  # fmt: skip
    for folder, said in (("b", f"in the archive {results[1]['files'][0]}"), ("a", '"priceCents":6000')):
        words = ("show", ticket_id, "--archive", folder)
        shown = await asyncio.to_thread(run, tmp_path, "journal", *words, MONGODB_URL=url)
        assert shown.returncode == 0, shown.stderr
        assert said in shown.stdout
        assert shown.stdout.count("\n") == 5


async def test_a_file_that_is_gone_or_damaged_is_named(tmp_path: Path, market: LocalMarket) -> None:
    database = market.connections.database
    await withdrawn(market)
    await archived(market, tmp_path)
    found = await archived_commits(database, tmp_path)
    found.check()
    (file,) = files_in(tmp_path)
    assert (file.stat().st_mode & 0o777, len(list(found.documents()))) == (0o600, 5)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BackupError, match="damaged"):
        found.check()
    with pytest.raises(BackupError, match="is not in"):
        ArchivedCommits(tmp_path / "elsewhere").records("gone", [], "ticket:1")
