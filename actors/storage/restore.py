"""Filling an empty database from a backup, so that killed half-way it can be done again."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from actors.runtime.ports import Checkpoint, Instant, parse_commit_id
from actors.storage.backup import JOURNAL, OnProgress
from actors.storage.backup_files import MANIFEST, BackupError, Manifest, digest_of, documents_in, file_name
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.database import Database, despite_contention, duplicates_of, reaching_the_database
from actors.storage.journal import is_of_a_user
from actors.storage.schema import RESTORE_ID

_PAGE = 500
_PAGE_BYTES = 4 * 1024 * 1024


class Restore:
    """One restore. The order is `begin`, `load`, whatever the rest of the data is made of, and `end`.

    All of them raise StoreUnavailableError, and may be done again.
    """

    def __init__(self, database: Database, folder: Path, manifest: Manifest) -> None:
        self._database = database
        self._folder = folder
        self._manifest = manifest
        self._notes = database["upgrades"]

    async def begin(self) -> None:
        """Note that the database is being filled. Raises BackupError if it is not empty, unless by this very backup."""
        digest = digest_of(self._folder / MANIFEST)
        with reaching_the_database():
            note = await self._notes.find_one({"_id": RESTORE_ID})
            if note is not None and note["backup"] != digest:
                raise BackupError("the restore of another backup into this database is unfinished: name that backup")
            if note is not None:
                return
            for name in sorted(await self._database.list_collection_names()):
                if await self._database[name].find_one({}, {"_id": 1}) is not None:
                    raise BackupError(f"the database is not empty: there is something in {name}")
            await self._notes.insert_one({"_id": RESTORE_ID, "backup": digest})

    async def load(self, on_progress: OnProgress = lambda *_: None) -> None:
        """Insert what is in the backup and not there yet. Raises BackupError."""
        for name, file in self._manifest.collections.items():
            done = 0
            last: dict[str, tuple[int, Instant]] = {}
            for page in _pages(documents_in(self._folder / file_name(name))):
                await self._insert(name, page)
                done += len(page)
                on_progress(name, done, file.documents)
                if name == JOURNAL:
                    _note_last(last, page)
            if done != file.documents:
                raise BackupError(f"{file_name(name)} has {done:,} documents, and not {file.documents:,}")
            await self._end_writers(last)

    async def end(self) -> None:
        """Note that the database is whole."""
        with reaching_the_database():
            await despite_contention(lambda: self._notes.delete_one({"_id": RESTORE_ID}))

    async def _insert(self, name: str, documents: Sequence[RawBSONDocument]) -> None:
        collection: AsyncCollection[Any] = self._database[name]
        try:
            with reaching_the_database():
                await despite_contention(partial(collection.insert_many, documents, ordered=False))
        except BulkWriteError as error:
            # Those of an earlier try are there, by their ids; another key that is taken is another thing.
            ids = [documents[place]["_id"] for place in duplicates_of(error)]
            with reaching_the_database():
                there = await collection.count_documents({"_id": {"$in": ids}})
            if there != len(ids):
                raise BackupError(f"{name} of the backup has a unique key twice") from None

    async def _end_writers(self, last: dict[str, tuple[int, Instant]]) -> None:
        """Have every writer of the journal ended, with everything relayed: documents and stream are made anew.

        Who fills the stream looks at writers by the time of their end.
        """
        checkpoints = MongoCheckpoints(self._database)
        for writer, (seq, at) in last.items():
            await checkpoints.save(Checkpoint(writer, writer.rpartition("-")[0], seq, seq, at))
            await checkpoints.remove(writer)


def _note_last(last: dict[str, tuple[int, Instant]], commits: Sequence[RawBSONDocument]) -> None:
    """Note number and time of each host's last commit."""
    for commit in commits:
        if not is_of_a_user(commit):
            writer, seq = parse_commit_id(commit["_id"])
            last[writer] = max(last.get(writer, (0, 0)), (seq, commit["at"]))


def _pages(documents: Iterator[bytes]) -> Iterator[list[RawBSONDocument]]:
    page: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        page.append(RawBSONDocument(document))
        size += len(document)
        if len(page) >= _PAGE or size >= _PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page
