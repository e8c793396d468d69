"""`holdfast backup` and `restore`: what was acknowledged before the backup is there again, whatever happened since."""

import asyncio
import gzip
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bson
import pytest
from bson import ObjectId
from typer.testing import CliRunner

from actors.domain.purchase_commands import Pay
from actors.processes.migration import create_all_indexes
from actors.storage.backup import AFTER_JOURNAL, BEFORE_JOURNAL, JOURNAL, LEFT_OUT, Backup
from actors.storage.backup_files import MANIFEST, BackupError, checked_manifest, documents_in, file_name
from actors.storage.database import Database, connect, database_of
from actors.storage.journal import MongoJournal
from actors.storage.ledger_reader import reconcile
from actors.storage.rebuild import Rebuild
from actors.storage.restore import Restore
from actors.storage.schema import UnusableDataError, check_schema, refuse_newer
from actors.storage.user_flags import MongoPendingUserEvents
from actors.storage.users import User, Users
from actors.supervision.user_events import UserEventRelay
from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.data import work
from cli.data.market_database import market_database
from cli.main import app
from cli.running_market import NotRunningError
from cli.up import data_dir
from cli.up.data_dir import DataFolderInUseError
from config.settings import Settings
from holdfast.events.partitions import EPOCH_KEYS
from tests.operations.test_rebuild import ALL, after_trading, raw
from tests.support.buying import VISA, an_order
from tests.support.command_line import run, spawn
from tests.support.event_streams import published_events
from tests.support.eventually import eventually
from tests.support.examples import NOW, new_id
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import held, listed

ROOT = Path(__file__).parents[2]
# All are in one process.
APART_MS = 10


@pytest.fixture
def target_url(mongodb_url: str) -> str:
    """The address of an empty database."""
    return urlsplit(mongodb_url)._replace(path=f"/t{ObjectId()}").geturl()


@pytest.fixture
async def target(target_url: str) -> AsyncIterator[Database]:
    async with connect(target_url) as client:
        yield database_of(client)


async def command(folder: Path, *words: str, url: object) -> dict[str, Any]:
    done = await asyncio.to_thread(run, folder, *words, "--json", MONGODB_URL=str(url))
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


async def backed_up(market: LocalMarket, folder: Path) -> Path:
    place = folder / "backup"
    await Backup(market.connections.database, market.connections.clock, clocks_apart_ms=APART_MS).write(place)
    return place


async def everything(database: Database, *names: str) -> dict[str, dict[str, Any]]:
    return {name: {document["_id"]: document async for document in database[name].find()} for name in names if name}


def a_user(number: int, created_at: int = NOW) -> User:
    return User(new_id(), f"person{number}@example.com", "no hash", created_at)


async def test_a_restored_market_is_the_one_that_was_backed_up(
    tmp_path: Path, market: LocalMarket, target: Database, target_url: str
) -> None:
    database = market.connections.database
    await create_all_indexes(database)
    await Users(database).add(a_user(1))
    await UserEventRelay(
        MongoPendingUserEvents(database), market.connections.journal, market.connections.stream, writer="relay"
    ).relay()
    await database["reports"].insert_one({"_id": "somebody's", "by_open": 1})
    before = await after_trading(market)
    names = (*BEFORE_JOURNAL[1:], JOURNAL, *AFTER_JOURNAL)
    kept = await everything(database, *names)
    taken = await command(tmp_path, "backup", "b", url=market.settings.mongodb_url)
    restored = await command(tmp_path, "restore", "b", url=target_url)
    assert taken["commits"] == restored["commits"] == len(kept[JOURNAL])
    assert await everything(target, *names) == kept
    assert await raw(target) == before
    assert {name for name in await target.list_collection_names() if await target[name].count_documents({})} == {
        *ALL, "cursors", "upgrades", *(name for name in names if kept[name]),
    }  # fmt: skip


async def restored(target: Database, folder: Path) -> MongoJournal:
    """The journal of a database that was filled from the backup."""
    restore = Restore(target, folder, checked_manifest(folder))
    await restore.begin()
    await create_all_indexes(target)
    await restore.load()
    await Rebuild(target).run()
    await restore.end()
    return MongoJournal(target)


async def test_people_who_sign_up_during_a_backup_are_in_it_and_are_announced_again(
    tmp_path: Path, market: LocalMarket
) -> None:
    own = market.connections
    users, now = Users(own.database), own.clock.now()
    await users.create_indexes()
    early, late = a_user(1, now), a_user(2, now)

    class BackupDuringSignUp(Backup):
        async def _commits_before(self, cut: int) -> AsyncIterator[bytes]:
            await users.add(late)
            await UserEventRelay(MongoPendingUserEvents(own.database), own.journal, own.stream, writer="relay").relay()
            async for commit in super()._commits_before(cut):
                yield commit

    await users.add(early)
    folder = tmp_path / "backup"
    await BackupDuringSignUp(own.database, own.clock, clocks_apart_ms=APART_MS).write(folder)
    found = [bson.decode(one) for one in documents_in(folder / file_name("users"))]
    assert [user["_id"] for user in found] == [early.id, late.id]
    assert (found[1]["announced"], "announced_version" in found[1]) == (False, False)


async def test_a_restore_that_was_killed_is_done_again_and_nobody_works_on_half_of_it(
    tmp_path: Path, market: LocalMarket, target: Database, target_url: str
) -> None:
    before = await after_trading(market)
    folder = await backed_up(market, tmp_path)
    other = shutil.copytree(folder, tmp_path / "other")
    (other / MANIFEST).write_text((other / MANIFEST).read_text() + " ")
    environment = {**RunningMarket(tmp_path).environment, "MONGODB_URL": target_url}
    killed = await asyncio.create_subprocess_exec(HOLDFAST, "restore", str(folder), env=environment, cwd=tmp_path)
    await eventually(lambda: _has_commits(target), seconds=30)
    killed.kill()
    await killed.wait()
    refused = await asyncio.to_thread(spawn, tmp_path, "up", MONGODB_URL=target_url)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert "restore into this database is unfinished" in refused.stderr
    with pytest.raises(BackupError, match="another backup"):
        await Restore(target, other, checked_manifest(other)).begin()
    await command(tmp_path, "restore", str(folder), url=target_url)
    assert await raw(target) == before
    assert await everything(target, JOURNAL) == await everything(market.connections.database, JOURNAL)
    await check_schema(target)


async def _has_commits(database: Database) -> bool:
    return await database["journal"].count_documents({}) > 0


async def test_a_database_with_something_in_it_is_not_restored_into(tmp_path: Path, market: LocalMarket) -> None:
    await listed(market)
    folder = await backed_up(market, tmp_path)
    before = await raw(market.connections.database)
    done = await asyncio.to_thread(run, tmp_path, "restore", str(folder), MONGODB_URL=str(market.settings.mongodb_url))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the database is not empty" in done.stderr
    assert await raw(market.connections.database) == before


def _cut(folder: Path) -> None:
    path = folder / file_name(JOURNAL)
    path.write_bytes(path.read_bytes()[:-20])


def _flip(folder: Path) -> None:
    path = folder / file_name(JOURNAL)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _lose(folder: Path) -> None:
    (folder / file_name("users")).unlink()


def _lose_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _spoil_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{}")


def _be_newer(folder: Path) -> None:
    _change_manifest(folder, format=1_000)


def _be_of_a_newer_schema(folder: Path) -> None:
    _change_manifest(folder, breaking=1_000)


def _change_manifest(folder: Path, **values: int) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **values}))


DAMAGE = {
    _cut: "journal.bson.gz is damaged",
    _flip: "journal.bson.gz is damaged",
    _lose: "users.bson.gz is missing",
    _lose_manifest: "is no backup",
    _spoil_manifest: "manifest.json is damaged",
    _be_newer: "newer release",
    _be_of_a_newer_schema: "newer release",
}


async def test_a_damaged_backup_is_refused_with_one_line_before_anything_is_written(
    tmp_path: Path, market: LocalMarket, target: Database, target_url: str
) -> None:
    await listed(market)
    folder = await backed_up(market, tmp_path)
    for damage, said in DAMAGE.items():
        damaged = shutil.copytree(folder, tmp_path / damage.__name__)
        damage(damaged)
        with pytest.raises((BackupError, UnusableDataError), match=said) as refused:
            refuse_newer(checked_manifest(damaged).breaking, "a backup is")
        assert "\n" not in str(refused.value)
    for damage in (_flip, _be_of_a_newer_schema):
        done = await asyncio.to_thread(run, tmp_path, "restore", damage.__name__, MONGODB_URL=target_url)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert DAMAGE[damage] in done.stderr
    assert await target.list_collection_names() == []


async def test_a_file_that_is_damaged_under_its_own_hash_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "things.bson.gz"
    for content in (b"\x10\0\0\0half", b"\0\0\0\0", b"\xff\xff\xff\xff1234"):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(BackupError):
            list(documents_in(path))


async def test_a_backup_is_whole_or_not_there(tmp_path: Path, market: LocalMarket) -> None:
    await listed(market)
    own, folder = market.connections, tmp_path / "backup"

    class Dies(Backup):
        async def _commits_before(self, cut: int) -> AsyncIterator[bytes]:
            async for commit in super()._commits_before(cut):
                yield commit
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Dies(own.database, own.clock).write(folder)
    assert not folder.exists()
    assert await backed_up(market, tmp_path) == folder
    assert os.listdir(tmp_path) == ["backup"]  # noqa: PTH208 - not asynchronous
    refused = await asyncio.to_thread(run, tmp_path, "backup", "backup", MONGODB_URL=str(market.settings.mongodb_url))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is there already" in refused.stderr


async def test_no_backup_is_made_of_an_empty_database(tmp_path: Path, target_url: str) -> None:
    with pytest.raises(BackupError, match="there is nothing in the database"):
        await work.backup(Settings(mongodb_url=target_url), tmp_path / "backup", lambda *_: None)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - not asynchronous


async def test_verify_finds_what_stripe_has_beyond_the_backup(
    tmp_path: Path, market: LocalMarket, target: Database
) -> None:
    known = await an_order(market)
    await market.pay(Pay(known.id, VISA))
    folder = await backed_up(market, tmp_path)
    lost = await an_order(market)
    await market.pay(Pay(lost.id, VISA))
    await restored(target, folder)
    report = await reconcile(target, market.stripe, market.connections.clock, pause_seconds=0)
    assert {(violation.rule, violation.order_id) for violation in report.violations} == {
        ("every payment at Stripe has its charge", lost.id),
        ("captured less refunded is what was sold", None),
    }
    assert (report.completed, report.intents) == (1, 2)


async def test_a_restored_market_begins_a_new_epoch_with_the_last_days_events(
    tmp_path: Path, market: LocalMarket, market_settings: Settings, target: Database, target_url: str
) -> None:
    order = await an_order(market)
    await market.pay(Pay(order.id, VISA))
    (lost_later,) = [await backed_up(market, tmp_path), *await listed(market)][1:]
    await market.writes_everything()
    await restored(target, tmp_path / "backup")
    epoch = await market.connections.redis.get(EPOCH_KEYS[0])
    async with local_market(market_settings.model_copy(update={"mongodb_url": target_url})) as again:
        assert await again.connections.redis.get(EPOCH_KEYS[0]) != epoch
        published = await published_events(again.connections.redis)
        assert [event.version for event in published if event.entity == f"ticket:{order.ticket_id}"] == [1, 2, 3, 4]
        assert all(event.entity != f"ticket:{lost_later}" for event in published)
        # It is the old market with all that belongs to it: people go on buying.
        (ticket_id,) = await listed(again)
        await held(again, ticket_id)


def test_every_collection_is_in_a_backup_or_left_out_and_the_document_says_which() -> None:
    source = "".join(file.read_text() for room in ("actors", "serve_app") for file in (ROOT / room).rglob("*.py"))
    collections = set(re.findall(r"\w*database\[\"(\w+)\"\]", source))
    kept = {*BEFORE_JOURNAL, JOURNAL, *AFTER_JOURNAL}
    assert collections == kept | set(LEFT_OUT)
    _, _, section = (ROOT / "docs/operations.md").read_text().partition("### Backup and restore")
    section, _, _ = section.partition("\n### ")
    rows = re.findall(r"^\| (`[^|]+`) \| (yes|no)\b", section, re.MULTILINE)
    told = {name: told for names, told in rows for name in re.findall(r"`(\w+)`", names)}
    assert {name for name, answer in told.items() if answer == "yes"} == kept
    assert {name for name, answer in told.items() if answer == "no"} == set(LEFT_OUT)


def test_the_commands_of_the_document_are_those_that_there_are() -> None:
    _, _, section = (
        (ROOT / "docs/operations.md").read_text().partition("## Backup, restore, rebuild, archive and migrate")
    )
    section, _, _ = section.partition("\n## ")
    told = re.findall(r"^holdfast (\w+)(.*)$", section, re.MULTILINE)
    assert {name for name, _ in told} == {"archive", "backup", "migrate", "rebuild", "restore"}
    for name, words in told:
        usage = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
        assert usage.exit_code == 0
        assert [word for word in re.findall(r"--[\w-]+|DIR", words) if word not in usage.output] == []


async def test_a_market_that_stands_still_is_backed_up_and_restored_in_its_folder(
    tmp_path: Path, market: LocalMarket
) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(NotRunningError, match="there is no database"), market_database(settings):
        pass
    await after_trading(market)
    folder = await backed_up(market, tmp_path)
    restored = await asyncio.to_thread(run, tmp_path, "restore", str(folder))
    assert restored.returncode == 0, restored.stderr
    assert "holdfast verify" in restored.stdout
    again = await asyncio.to_thread(run, tmp_path, "backup", "again")
    assert again.returncode == 0, again.stderr
    first, second = (checked_manifest(one).collections for one in (folder, tmp_path / "again"))
    assert {**second, "upgrades": None} == {**first, "upgrades": None}
    assert data_dir.remembered(tmp_path) == {}
    with (
        data_dir.locked(tmp_path),
        pytest.raises(DataFolderInUseError),
        market_database(settings, is_new=True),
    ):
        pass
