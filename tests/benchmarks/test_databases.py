"""Which database a benchmark runs on, and that the journal's scenario checks what it measures."""

import shutil
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId

from actors.runtime.ports import Commit
from actors.storage.database import connect, create_indexes, database_of
from actors.storage.journal import MongoJournal
from benchmarks.support import databases, journal_writer
from benchmarks.support.journal_writer import Job, commit_of


def no_mongod(_name: str) -> None:
    """As where nothing is on PATH."""


@pytest.fixture
def own_url(mongodb_url: str) -> str:
    return mongodb_url.replace("/holdfast", f"/bench{ObjectId()}")


def test_the_fast_database_is_taken_where_it_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built = tmp_path / "secantusd-rs"
    monkeypatch.setattr(databases, "_BUILT", built)
    monkeypatch.setattr(shutil, "which", no_mongod)
    assert databases.chosen(None) == databases.EMBEDDED
    built.touch()
    assert databases.chosen(None) == databases.FAST
    assert databases.chosen("embedded") == databases.EMBEDDED


def test_a_database_that_is_not_there_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(databases, "_BUILT", tmp_path / "none")
    monkeypatch.setattr(shutil, "which", no_mongod)
    with pytest.raises(ValueError, match="make fast-database"):
        databases.chosen("fast")
    with pytest.raises(ValueError, match="mongodb://"):
        databases.chosen("slow")


def test_a_database_by_its_url_is_one_of_its_own_and_gone_afterwards(mongodb_url: str) -> None:
    with databases.running(mongodb_url) as server:
        assert server is not None
        with pymongo.MongoClient[dict[str, Any]](server.url) as client:
            database = client.get_default_database()
            database["journal"].insert_one({"_id": "1"})
            assert database.name in client.list_database_names()
    with pymongo.MongoClient[dict[str, Any]](mongodb_url) as client:
        assert database.name not in client.list_database_names()


def test_the_report_names_server_and_version(mongodb_url: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongodb_url) as client:
        build = client.admin.command("buildInfo")
    assert build["version"] in databases.described(mongodb_url)
    assert databases.described(mongodb_url).startswith("SecantusDB" if "secantusVersion" in build else "MongoDB")


@pytest.mark.parametrize("claims", [False, True])
async def test_a_writer_of_the_journal_counts_what_is_there(own_url: str, *, claims: bool) -> None:
    async with connect(own_url) as client:
        await create_indexes(database_of(client))
        written = await journal_writer._write(Job(own_url, "tickets-0-a", 8, 0.0, 0.2, claims))
        assert written.wrong == []
        assert written.commits == len(written.took) == await MongoJournal(database_of(client)).length() > 0
        assert written.events == 8 * written.commits
        assert await database_of(client)["claims"].count_documents({}) == (written.events if claims else 0)


async def test_a_journal_without_its_unique_index_is_found_to_be_wrong(own_url: str) -> None:
    """The negative control: the look at the journal that the scenario takes."""
    async with connect(own_url) as client:
        journal = MongoJournal(database_of(client))
        last = commit_of("tickets-0-a", 1, 3)
        await journal.append(last)
        assert await journal_writer._complaints(journal, last) == ["keys of tickets-0-a could be taken twice"]
        lost = Commit("tickets-0-a", 2, last.at, commit_of("tickets-0-a", 2, 3).keys, last.records)
        assert len(await journal_writer._complaints(journal, lost)) == 3
