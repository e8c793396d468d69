"""A run of `holdfast archive` that ends half-way, or beside another one, loses nothing and is begun again."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.storage import archive as archiving
from actors.storage.archive_files import archived_commits, write_archive
from actors.storage.journal import MongoJournal
from actors.storage.ledger_reader import reconcile
from actors.storage.rebuild import Rebuild
from tests.operations.archiving import DAY_MS, archived, everything_in, files_in, nothing_is_lost, stubs, withdrawn
from tests.operations.test_rebuild import ALL, raw
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.refunding import a_sale


class StoppedError(Exception):
    """The process ended."""


@pytest.mark.parametrize("place", ["written", "noted", "first page", "second page"])
async def test_a_run_that_stops_anywhere_loses_nothing_and_is_begun_again(
    tmp_path: Path, market: LocalMarket, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    database = market.connections.database
    for _ in range(3):
        await withdrawn(market)
    journal, before = await everything_in(database), None
    real_write, real_archive, pages = write_archive, MongoJournal.archive, [0]

    def stops_when_written(*of: Any) -> Any:  # noqa: ANN401 - as write_archive
        real_write(*of)
        raise StoppedError

    async def stops_when_noted(_: object) -> None:
        raise StoppedError

    async def stops_between_pages(self: MongoJournal, commits: Any, file: str) -> None:  # noqa: ANN401 - as archive
        pages[0] += 1
        if pages[0] == 2:
            raise StoppedError
        await real_archive(self, commits, file)
        if place == "first page":
            raise StoppedError

    with monkeypatch.context() as stopping:
        stopping.setattr(archiving, "MOVED_AT_ONCE", 4)
        if place == "written":
            stopping.setattr(archiving, "write_archive", stops_when_written)
        elif place == "noted":
            stopping.setattr(archiving, "note_archives", stops_when_noted)
        else:
            stopping.setattr(MongoJournal, "archive", stops_between_pages)
        with pytest.raises(StoppedError):
            await archived(market, tmp_path)
    before = await raw(database)
    await nothing_is_lost(database, tmp_path, journal)
    assert (await Rebuild(database, await archived_commits(database, tmp_path)).run()).written.total() == 0
    await archived(market, tmp_path)
    assert len(await stubs(database)) == len(journal)
    await nothing_is_lost(database, tmp_path, journal)
    assert (await Rebuild(database, await archived_commits(database, tmp_path)).run()).written.total() == 0
    assert await raw(database) == before


async def test_a_run_killed_again_and_again_under_a_running_market_archives_all_that_ended(
    tmp_path: Path, market: LocalMarket
) -> None:
    database, stop, sold = market.connections.database, asyncio.Event(), []

    async def trade() -> None:
        while not stop.is_set():
            sold.append(await a_sale(market))

    traders = [asyncio.create_task(trade()) for _ in range(4)]
    await eventually(lambda: len(sold) > 20, seconds=60)
    before = market.connections.clock.now() + DAY_MS
    command = [
        *(sys.executable, "-m", "tests.operations.archiving"),
        *(str(market.settings.mongodb_url), str(tmp_path), str(before), "20000"),
    ]
    killed = 0
    while killed < 3:
        known = len(files_in(tmp_path))
        process = await asyncio.create_subprocess_exec(*command)
        # While its first file is written, its second, and so on.
        enough = known + killed + 1
        await eventually(lambda enough=enough: len(files_in(tmp_path)) >= enough, seconds=60)  # type: ignore[misc]
        process.kill()
        killed += await process.wait() != 0
    stop.set()
    await asyncio.gather(*traders)
    await market.writes_everything()
    documents, journal = await raw(database), await everything_in(database)
    assert 0 < len(await stubs(database)) < len(journal)
    await archived(market, tmp_path)
    await nothing_is_lost(database, tmp_path, {one: each for one, each in journal.items() if "archive" not in each})
    assert {one["_id"] for one in journal.values()} == set(await everything_in(database))
    assert not files_in(tmp_path, "*.unfinished")
    for collection in ALL:
        await database[collection].delete_many({})
    done = await Rebuild(database, await archived_commits(database, tmp_path)).run()
    assert done.left_out == set()
    assert await raw(database) == documents
    assert not (await reconcile(database, market.stripe, market.connections.clock, pause_seconds=0)).violations


async def test_two_runs_at_once_leave_every_commit_in_a_file(tmp_path: Path, market: LocalMarket) -> None:
    database = market.connections.database
    for _ in range(6):
        await withdrawn(market)
    journal = await everything_in(database)
    await asyncio.gather(*(archived(market, tmp_path / str(number), file_bytes=3_000) for number in range(2)))
    assert len(await stubs(database)) == len(journal)
    for path in files_in(tmp_path, "*/*"):
        path.rename(tmp_path / path.name)
    await nothing_is_lost(database, tmp_path, journal)
    assert (await Rebuild(database, await archived_commits(database, tmp_path)).run()).written.total() == 0
