"""What the database answers while it elects, from other makers, or oddly: never a crash, never taken for a yes."""

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError, WriteConcernError

from actors.domain.codec import Document
from actors.runtime.ports import Checkpoint, Commit, DocumentUpdate, FencedError, StoreUnavailableError
from actors.storage import database as databases
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.clock import database_clock
from actors.storage.database import CONTENTION, CONTENTION_TRIES, connect, database_of, reaching_the_database
from actors.storage.documents import MongoDocuments
from actors.storage.entities import MongoEntities
from actors.storage.journal import MongoJournal
from tests.simulation.contracts.examples import commit, recorded
from tests.support.driver_errors import driver_errors
from tests.support.fake_mongod import NOTHING_FOUND, FakeMongod, FakePrimary, speaking_to

A_COMMIT = commit("a", 1, recorded(1))
OUR_COMMIT: Document = {"cursor": {"id": 0, "ns": "test.journal", "firstBatch": [{"_id": A_COMMIT.id}]}, "ok": 1.0}
WRITTEN: Document = {"n": 1, "nModified": 1, "ok": 1.0}
DUPLICATE: Document = {"n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "E11000"}], "ok": 1.0}
# From MongoDB's error_codes.yml: an election, seen from different sides, and what it leaves behind.
ELECTIONS = {
    "NotWritablePrimary": 10107, "NotPrimaryNoSecondaryOk": 13435, "NotPrimaryOrSecondary": 13436,
    "PrimarySteppedDown": 189, "InterruptedAtShutdown": 11600, "InterruptedDueToReplStateChange": 11602,
    "ShutdownInProgress": 91, "Interrupted": 11601, "ExceededTimeLimit": 262, "CursorNotFound": 43,
    "LinearizableReadConcernError": 192, "ReadConcernMajorityNotAvailableYet": 134, "StaleConfig": 13388,
    "Unauthorized": 13, "OutOfDiskSpace": 14031, "unknown": 987_654,
}  # fmt: skip


def failure(code: int) -> Document:
    return {"ok": 0.0, "errmsg": "no", "code": code}


def update(place: str) -> DocumentUpdate:
    return DocumentUpdate("things", place, 1, lambda: {"_id": place, "version": 1})


@pytest.mark.parametrize("code", ELECTIONS.values(), ids=ELECTIONS)
async def test_every_error_of_the_server_is_an_unavailable_store_with_its_cause(code: int) -> None:
    async with speaking_to(FakeMongod(insert=failure(code))) as database:
        with pytest.raises(StoreUnavailableError) as error:
            await MongoJournal(database).append(A_COMMIT)
        assert isinstance(error.value.__cause__, PyMongoError)


async def test_every_query_of_a_failing_server_raises_store_unavailable() -> None:
    no = failure(ELECTIONS["Interrupted"])
    async with speaking_to(FakeMongod(insert=no, find=no, update=no)) as database:
        journal, checkpoints = MongoJournal(database), MongoCheckpoints(database)
        for asked in (
            journal.append(A_COMMIT),
            journal.commits_with_keys(["k"]),
            journal.existing_keys(["k"]),
            journal.after("a", 0, 1),
            MongoEntities(database).tickets(["1"]),
            MongoDocuments(database).write([update("1")]),
            checkpoints.save(Checkpoint("a", "a", 0, 0, 0)),
            checkpoints.all(),
        ):
            with pytest.raises(StoreUnavailableError) as error:
                await asked
            assert isinstance(error.value.__cause__, PyMongoError)


@pytest.mark.parametrize("code", [64, 91, 100, 189])
async def test_a_write_that_no_majority_confirmed_has_an_unknown_outcome(code: int) -> None:
    unconfirmed = {**WRITTEN, "writeConcernError": {"code": code, "errmsg": "no majority"}}
    async with speaking_to(FakeMongod(insert=unconfirmed, update=unconfirmed)) as database:
        with pytest.raises(StoreUnavailableError) as error:
            await MongoJournal(database).append(A_COMMIT)
        assert isinstance(error.value.__cause__, WriteConcernError)
        with pytest.raises(StoreUnavailableError):
            await MongoCheckpoints(database).save(Checkpoint("a", "a", 0, 0, 0))
        with pytest.raises(StoreUnavailableError):
            await MongoDocuments(database).write([DocumentUpdate("things", "1", 1, lambda: {"_id": "1"}, is_new=True)])
        with pytest.raises(StoreUnavailableError):
            await MongoDocuments(database).write([update("1")])


KINDS = pytest.mark.parametrize("build", [{}, {"secantusVersion": "1"}], ids=["mongod", "embedded"])


@KINDS
async def test_replacement_that_was_ended_for_anothers_sake_is_made_again(build: Document) -> None:
    answers = [{"n": 0, "nModified": 0, "writeErrors": [{"index": 0, "code": 112, "errmsg": "no"}], "ok": 1.0}, WRITTEN]
    server = FakeMongod(buildInfo=build, update=lambda _command: answers.pop(0))
    async with speaking_to(server) as database:
        await MongoDocuments(database).write([update("1")])
    first, again = server.asked_for("update")
    assert first["updates"] == again["updates"]


@KINDS
async def test_replacement_that_failed_for_another_reason_has_an_unknown_outcome(build: Document) -> None:
    failed = {"n": 0, "nModified": 0, "writeErrors": [{"index": 0, "code": 50, "errmsg": "no"}], "ok": 1.0}
    async with speaking_to(FakeMongod(buildInfo=build, update=failed)) as database:
        with pytest.raises(StoreUnavailableError):
            await MongoDocuments(database).write([update("1")])


@pytest.mark.parametrize("error", list(driver_errors()), ids=lambda error: type(error).__name__)
def test_every_driver_error_but_a_duplicate_key_is_an_unavailable_store(error: PyMongoError) -> None:
    is_taken = isinstance(error, DuplicateKeyError | BulkWriteError)
    with pytest.raises(type(error) if is_taken else StoreUnavailableError), reaching_the_database():
        raise error


# Odd answers


@pytest.mark.parametrize("answer", [{"ok": 1.0}, {"cursor": 7, "ok": 1.0}, {"cursor": {"id": 0}, "ok": 1.0}])
async def test_an_incomplete_answer_is_an_unavailable_store(answer: Document) -> None:
    async with speaking_to(FakeMongod(find=answer)) as database:
        with pytest.raises(StoreUnavailableError) as error:
            await MongoJournal(database).commits_with_keys(["k"])
        assert error.value.__cause__ is not None


@pytest.mark.parametrize("says", [datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), 1_767_323_045_678])
async def test_the_servers_time_may_be_a_date_or_whole_milliseconds(says: object) -> None:
    said = {"hello": {"localTime": bson.Int64(says) if isinstance(says, int) else says}}
    async with speaking_to(FakeMongod(**said)) as database:
        clock = database_clock(database)
        await clock.refresh()
        assert abs(clock.now() - 1_767_323_045_678) < 1_000


@pytest.mark.parametrize("said", [{}, {"localTime": "noon"}, {"localTime": None}, {"localTime": True}])
async def test_a_server_that_does_not_tell_its_time_is_an_unavailable_store(said: Document) -> None:
    async with speaking_to(FakeMongod(hello=said)) as database:
        with pytest.raises(StoreUnavailableError, match="localTime"):
            await database_clock(database).refresh()


# Two who write the same


@pytest.mark.parametrize("code", sorted(CONTENTION))
async def test_a_write_aborted_by_a_write_conflict_is_retried_with_the_same_id(code: int) -> None:
    tries = 0

    def contended(_command: Document) -> Document:
        nonlocal tries
        tries += 1
        return failure(code) if tries % 3 else WRITTEN

    server = FakeMongod(insert=contended, update=contended)
    async with speaking_to(server) as database:
        await MongoJournal(database).append(A_COMMIT)
        await MongoDocuments(database).write([update("1")])
        await MongoCheckpoints(database).save(Checkpoint("a", "a", 0, 0, 0))
    assert [[one["_id"] for one in asked["documents"]] for asked in server.asked_for("insert")] == [[A_COMMIT.id]] * 3
    of_documents, of_marks = server.asked_for("update")[:3], server.asked_for("update")[3:]
    assert [asked["updates"] for asked in of_documents] == [of_documents[0]["updates"]] * 3
    assert len(of_marks) == 3


async def test_all_inserts_of_a_command_are_retried_when_one_met_a_write_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(databases, "CONTENTION_SECONDS", 0.0)
    answers = [{"n": 1, "writeErrors": [{"index": 1, "code": 112, "errmsg": "no"}], "ok": 1.0}, WRITTEN]
    server = FakeMongod(insert=lambda _command: answers.pop(0))
    new = [DocumentUpdate("things", place, 1, lambda place=place: {"_id": place}, is_new=True) for place in "ab"]  # type: ignore[misc]
    async with speaking_to(server) as database:
        await MongoDocuments(database).write(new)
    assert [len(asked["documents"]) for asked in server.asked_for("insert")] == [2, 2]


async def test_contention_without_end_is_an_unavailable_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "CONTENTION_SECONDS", 0.0)
    server = FakeMongod(insert=failure(112))
    async with speaking_to(server) as database:
        with pytest.raises(StoreUnavailableError):
            await MongoJournal(database).append(A_COMMIT)
    assert len(server.asked_for("insert")) == CONTENTION_TRIES


async def test_all_writers_write_the_same_documents_in_the_same_order() -> None:
    server = FakeMongod(update={**WRITTEN, "n": 5})
    keys = [recorded(version).key for version in (3, 1, 2)]
    several = Commit("a", 1, 0, tuple(keys), tuple(recorded(version) for version in (3, 1, 2)))
    async with speaking_to(server) as database:
        await MongoDocuments(database).write([update(place) for place in "cebad"])
        await MongoDocuments(database).write(
            [DocumentUpdate("things", place, 1, lambda place=place: {"_id": place}, is_new=True) for place in "cebad"]  # type: ignore[misc]
        )
        await MongoJournal(database).append(several)
    (replaced,) = server.asked_for("update")
    new, journalled = server.asked_for("insert")
    assert [update["q"]["_id"] for update in replaced["updates"]] == list("abcde")
    assert [document["_id"] for document in new["documents"]] == list("abcde")
    assert journalled["documents"][0]["keys"] == sorted(keys)


# What no election takes back

CARELESS = (
    "readPreference=secondaryPreferred&readPreferenceTags=dc:ny&maxStalenessSeconds=120"
    "&readConcernLevel=local&w=0&journal=false&retryWrites=true&retryReads=true"
)


async def test_reads_are_the_primarys_of_what_a_majority_has_and_writes_a_majoritys_whatever_the_url_says() -> None:
    server = FakePrimary()
    async with server.running(), connect(f"{server.url}?{CARELESS}") as client:
        database = database_of(client)
        await MongoEntities(database).tickets(["1"])
        journal = MongoJournal(database)
        await journal.append(A_COMMIT)
        await journal.commits_with_keys(["k"])
        await journal.after("a", 0, 1)
        await MongoCheckpoints(database).all()
    assert [asked["readConcern"] for asked in server.asked_for("find")] == [{"level": "majority"}] * 4
    assert {asked.get("$readPreference", {"mode": "primary"})["mode"] for asked in server.asked} == {"primary"}
    assert server.asked_for("insert")[0]["writeConcern"] == {"w": "majority", "j": True}
    assert "txnNumber" not in server.asked_for("insert")[0]


@pytest.mark.parametrize(("server", "level"), [(FakePrimary(), "linearizable"), (FakeMongod(), "majority")])
async def test_the_fence_of_refusals_asks_a_primary_that_knows_it_still_is_one(server: FakeMongod, level: str) -> None:
    """A server by itself refuses to be asked so, and nobody can take its place."""
    async with speaking_to(server) as database:
        journal = MongoJournal(database)
        await journal.append(A_COMMIT)
        assert await journal.existing_keys(["k"]) == set()
    (asked,) = server.asked_for("find")
    assert asked["readConcern"] == {"level": level}
    assert asked["maxTimeMS"] > 0


def found_with(*levels: str) -> Any:  # noqa: ANN401 - an answer to find
    return lambda command: OUR_COMMIT if command["readConcern"]["level"] in levels else NOTHING_FOUND


async def test_a_duplicate_is_ours_only_when_a_majority_has_it() -> None:
    async with speaking_to(FakeMongod(insert=DUPLICATE, find=found_with("local", "majority"))) as database:
        await MongoJournal(database).append(A_COMMIT)
    async with speaking_to(FakeMongod(insert=DUPLICATE, find=found_with("local"))) as database:
        with pytest.raises(StoreUnavailableError):
            await MongoJournal(database).append(A_COMMIT)
    async with speaking_to(FakeMongod(insert=DUPLICATE, find=found_with())) as database:
        with pytest.raises(FencedError):
            await MongoJournal(database).append(A_COMMIT)
