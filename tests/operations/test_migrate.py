"""`holdfast migrate`: an older database is brought up to this release, and one of a newer release is left alone."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.processes import migration
from actors.read_model.projections import PROJECTIONS
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import INDEXES, Database
from actors.storage.ledger_reader import reconcile
from actors.storage.rebuild import Rebuild
from actors.storage.schema import BREAKING, SCHEMA, UnusableDataError
from actors.storage.users import User, Users
from cli import verify as reconciliation
from cli.journal import entries
from tests.operations import migrating
from tests.operations.test_backup_under_load import Shop
from tests.operations.test_rebuild import after_trading, raw
from tests.support.command_line import run, spawn
from tests.support.examples import NOW, new_id
from tests.support.local_market import LocalMarket


async def of_an_older_release(market: LocalMarket) -> User:
    """Take from the market what this release has beyond others, and return a user with a key of an older rule."""
    database = market.connections.database
    await after_trading(market)
    user = User(new_id(), "Straße@Bücher.example", "no hash", NOW)
    await Users(database).add(user)
    await as_before(market, user)
    return user


async def as_before(market: LocalMarket, user: User) -> None:
    """Take from the market what this release has beyond others."""
    database = market.connections.database
    await database["users"].update_one({"_id": user.id}, {"$set": {"email_key": "an older one"}})
    for collection in PROJECTIONS:
        await database[collection].update_many({}, {"$unset": {"projection": ""}})
        await database[collection].drop_indexes()
    await database["upgrades"].delete_many({})


async def indexes(database: Database) -> dict[str, set[str]]:
    return {name: set(await database[name].index_information()) for name in INDEXES}


async def notes(database: Database) -> dict[str, Any]:
    return {note["_id"]: note async for note in database["upgrades"].find()}


async def test_a_database_of_an_older_release_is_brought_up_to_this_one(tmp_path: Path, market: LocalMarket) -> None:
    database = market.connections.database
    before = await indexes(database)
    user = await of_an_older_release(market)
    assert await indexes(database) != before
    done = await asyncio.to_thread(run, tmp_path, "migrate", MONGODB_URL=str(market.settings.mongodb_url))
    assert done.returncode == 0, done.stderr
    assert await indexes(database) == {**before, "users": await _indexes_of_users(database)}
    assert await Users(database).by_email("straße@bücher.example") == user
    stored = [await database[name].distinct("projection") for name in PROJECTIONS]
    assert stored == [[projection] for projection in PROJECTIONS.values()]
    assert (await notes(database))["schema"] == {"_id": "schema", "schema": SCHEMA, "breaking": BREAKING}


async def _indexes_of_users(database: Database) -> set[str]:
    return set(await database["users"].index_information()) | {"email_key_1"}


async def test_migrating_twice_and_twice_at_once_changes_nothing_more(market: LocalMarket) -> None:
    database = market.connections.database
    await of_an_older_release(market)
    await asyncio.gather(*(migration.migrate(database) for _ in range(2)))
    await asyncio.gather(*(migration.upgrade_documents(database) for _ in range(2)))
    first = await raw(database), await notes(database)
    await migration.migrate(database)
    await migration.upgrade_documents(database)
    assert (await raw(database), await notes(database)) == first


async def test_a_migration_that_was_interrupted_is_not_noted_and_done_again(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = market.connections.database
    user = await of_an_older_release(market)

    async def dies(_database: Database) -> None:
        raise StoreUnavailableError

    with monkeypatch.context() as dying:
        dying.setattr(migration, "convert_email_keys", dies)
        with pytest.raises(StoreUnavailableError):
            await migration.migrate(database)
    assert "schema" not in await notes(database)
    await migration.migrate(database)
    assert await Users(database).by_email("straße@bücher.example") == user


async def test_a_migration_killed_at_every_point_and_repeated_has_the_same_result(market: LocalMarket) -> None:
    database, url = market.connections.database, str(market.settings.mongodb_url)
    user = await of_an_older_release(market)
    await migrating.migrate(url)
    expected = await raw(database), await indexes(database), await notes(database)
    await as_before(market, user)
    for point in migrating.POINTS:
        command = [sys.executable, "-m", "tests.operations.migrating", url, point]
        killed = await asyncio.create_subprocess_exec(*command)
        assert await killed.wait() == -signal.SIGKILL, point
    await migrating.migrate(url)
    assert (await raw(database), await indexes(database), await notes(database)) == expected
    assert await Users(database).by_email("straße@bücher.example") == user


async def test_two_migrations_at_once_under_load_bring_everything_over(market: LocalMarket) -> None:
    database = market.connections.database
    await of_an_older_release(market)
    shop = Shop(market, people=4)
    await shop.sells(4)
    await asyncio.gather(*(migrating.migrate(str(market.settings.mongodb_url)) for _ in range(2)))
    await shop.sells(4)
    await shop.close()
    await market.writes_everything()
    stored = [await database[name].distinct("projection") for name in PROJECTIONS]
    assert stored == [[projection] for projection in PROJECTIONS.values()]
    documents = await raw(database)
    assert (await Rebuild(database).run()).written.total() == 0
    assert await raw(database) == documents
    assert not (await reconcile(database, market.stripe, market.connections.clock, pause_seconds=0)).violations


async def test_a_database_that_a_breaking_release_changed_is_refused_with_one_line(
    tmp_path: Path, market: LocalMarket
) -> None:
    upgrades = market.connections.database["upgrades"]
    await upgrades.insert_one({"_id": "schema", "schema": SCHEMA + 2, "breaking": SCHEMA + 1})
    for words in (["migrate"], ["up"], ["journal", "check"]):
        done = await asyncio.to_thread(spawn, tmp_path, *words, MONGODB_URL=str(market.settings.mongodb_url))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert f"of a newer release (schema {SCHEMA + 1}, this release knows {SCHEMA})" in done.stderr
    for program in (
        market.connections.prepare(),
        reconciliation.report(market.settings),
        entries.events_of(market.settings, new_id(), tmp_path),
    ):
        with pytest.raises(UnusableDataError):
            await program


async def test_a_database_of_a_newer_release_that_only_adds_is_used_and_keeps_its_number(market: LocalMarket) -> None:
    database = market.connections.database
    newer = {"_id": "schema", "schema": SCHEMA + 1, "breaking": BREAKING}
    await database["upgrades"].insert_one(newer)
    await market.connections.prepare()
    await migration.migrate(database)
    assert (await notes(database))["schema"] == newer
