"""The journal collection: one immutable document for each turn, its keys unique across all of them."""

import asyncio
from collections.abc import Collection, Sequence

from pymongo.errors import DuplicateKeyError

from actors.domain.codec import Document, decode_event, encode_event
from actors.runtime.ports import Commit, FencedError, Recorded, version_key
from actors.storage.database import Database, reaching_the_database

SEQ_DIGITS = 12
HISTORY_BATCH = 200
# The embedded database compares each key that is asked for with each key of each commit that it finds: for 64 tickets
# that were listed in as many commits of 500 events, all at once, that is two million comparisons and 1.2 s.
TOGETHER = 4


class MongoJournal:
    """The journal in MongoDB; see runtime.ports.Journal for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._commits = database["journal"]

    async def append(self, commit: Commit) -> None:
        try:
            with reaching_the_database():
                await self._commits.insert_one(_document(commit))
        except DuplicateKeyError as error:
            # With our own id there, an earlier try of this very commit was written although its answer was lost. The
            # error does not tell: its keys are there as well, and servers name either index.
            with reaching_the_database():
                is_ours = await self._commits.find_one({"_id": _id(commit.writer, commit.seq)}, {"_id": 1}) is not None
            if not is_ours:
                raise FencedError from error

    async def owning(self, keys: Collection[str]) -> list[Commit]:
        with reaching_the_database():
            return [_commit(found) for found in await self._commits.find({"keys": {"$in": list(keys)}}).to_list()]

    async def taken(self, keys: Collection[str]) -> set[str]:
        wanted = set(keys)
        with reaching_the_database():
            found = await self._commits.find({"keys": {"$in": list(wanted)}}, {"keys": 1}).to_list()
        return {key for document in found for key in document["keys"] if key in wanted}

    async def places_of(self, keys: Collection[str]) -> set[tuple[str, int]]:
        wanted = list(keys)
        with reaching_the_database():
            found = await asyncio.gather(
                *(
                    self._commits.find({"keys": {"$in": wanted[first : first + TOGETHER]}}, {"_id": 1}).to_list()
                    for first in range(0, len(wanted), TOGETHER)
                )
            )
        return {_place(document["_id"]) for documents in found for document in documents}

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        # By their ids, which follow each other: of a range of ids the embedded database reads the whole collection.
        ids = [_id(writer, later) for later in range(seq + 1, seq + 1 + limit)]
        with reaching_the_database():
            found = await self._commits.find({"_id": {"$in": ids}}).to_list()
        return sorted(map(_commit, found), key=lambda commit: commit.seq)

    async def history(self, entity: str) -> list[Recorded]:
        """All events of one entity, such as `ticket:<id>`, in order. Raises StoreUnavailableError."""
        records: list[Recorded] = []
        while True:
            first = len(records) + 1
            keys = {version_key(entity, version) for version in range(first, first + HISTORY_BATCH)}
            found = [record for commit in await self.owning(keys) for record in commit.records if record.key in keys]
            records.extend(sorted(found, key=lambda record: record.version))
            if len(found) < HISTORY_BATCH:
                return records


def _id(writer: str, seq: int) -> str:
    return f"{writer}:{seq:0{SEQ_DIGITS}d}"


def _place(commit_id: str) -> tuple[str, int]:
    writer, _, seq = commit_id.rpartition(":")
    return writer, int(seq)


def _document(commit: Commit) -> Document:
    return {
        "_id": _id(commit.writer, commit.seq),
        "at": commit.at,
        "keys": list(commit.keys),
        "events": [_event(record) for record in commit.records],
    }


def _event(record: Recorded) -> Document:
    return {"entity": record.entity, "version": record.version, "at": record.at, **encode_event(record.event)}


def _commit(document: Document) -> Commit:
    writer, seq = _place(document["_id"])
    events: Sequence[Document] = document["events"]
    records = tuple(Recorded(event["entity"], event["version"], event["at"], decode_event(event)) for event in events)
    return Commit(writer, seq, document["at"], tuple(document["keys"]), records)
