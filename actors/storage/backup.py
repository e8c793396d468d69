"""A backup: the journal up to one moment and what it does not say, while the market runs.

That moment is a time: of what the actors did, the backup has all that was written before it and nothing else. It is
over when the journal is read. So a commit of before it that comes to the journal later was not acknowledged yet, and
nothing that rests on it was written before that time. The backup has each writer's first commits, each entity's first
versions, and with a commit all that it rests on. In which order the database returns them does not matter.

The folder gets its name when all is in it and on disk: what has that name is whole.
"""

import asyncio
import gzip
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection

from actors.domain.instants import Instant
from actors.runtime.ports import Clock, parse_commit_id
from actors.storage.archive_files import ArchiveFile, files_of
from actors.storage.backup_files import (
    FORMAT,
    BackupError,
    BackupFile,
    Manifest,
    digest_of,
    documents_in,
    file_name,
    flush_to_disk,
    write_manifest,
)
from actors.storage.database import Database, reaching_the_database
from actors.storage.journal import MongoJournal, is_of_a_user
from actors.storage.schema import SCHEMA, breaking_of

JOURNAL = "journal"
ARCHIVES = "archives"
USERS = "users"
# Read before the journal is: of tickets and orders these know none that the journal does not.
BEFORE_JOURNAL = (
    "upgrades",
    USERS,
    "access_tokens",
    "revocations",
    "mails",
    "security_events",
    "reports",
    "favourites",
    "webhook_endpoints",
    "webhook_deliveries",
    "webhook_events",
    "subscriptions",
)
# Read after it: the files that commits of the journal point to, and what stands for Stripe, which may have more than
# we know and never less.
AFTER_JOURNAL = (ARCHIVES, "sandbox_changes", "sandbox_plans")
# Derived from the journal, or of no use elsewhere: see docs/operations.md.
LEFT_OUT = ("tickets", "orders", "charges", "cursors", "event_stream", "sessions", "email_tokens")

# The actors go by the database's clock, and are not further apart than this.
CLOCKS_APART_MS = 1_000
# Clocks of replicas are not further apart than this.
_CLOCKS = timedelta(hours=1)
_COMPRESSION = 1

OnProgress = Callable[[str, int, int], None]


class Backup:
    """One backup, of a database that may be in use."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_progress: OnProgress = lambda *_: None,
        *,
        clocks_apart_ms: int = CLOCKS_APART_MS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_progress = on_progress
        self._clocks_apart_ms = clocks_apart_ms
        self._files: dict[str, BackupFile] = {}

    async def write(self, folder: Path) -> Manifest:
        """Write the backup into a new folder. Raises BackupError, OSError and StoreUnavailableError."""
        draft = _draft_of(folder)
        manifest = await self._write_all(draft)
        if not manifest.documents:
            shutil.rmtree(draft)
            raise BackupError("there is nothing in the database: set MONGODB_URL to that of the market")
        write_manifest(draft, manifest)
        draft.rename(folder)
        flush_to_disk(folder.parent)
        return manifest

    async def _write_all(self, draft: Path) -> Manifest:
        began = self._clock.now()
        for name in BEFORE_JOURNAL:
            await self._write_file(draft, name, self._documents(name))
        # What was read until now tells of no commit of after this.
        cut = self._clock.now() + self._clocks_apart_ms
        await self._write_file(draft, JOURNAL, self._commits_before(cut))
        await self._write_file(draft, USERS, self._who_came_meanwhile(draft, began))
        for name in AFTER_JOURNAL:
            await self._write_file(draft, name, self._documents(name))
        breaking = await breaking_of(self._database)
        return Manifest(FORMAT, SCHEMA, breaking, _iso(cut), _iso(self._clock.now()), self._files)

    async def _documents(self, name: str) -> AsyncIterator[bytes]:
        collection: AsyncCollection[Any] = self._database[name].with_options(CodecOptions(RawBSONDocument))
        with reaching_the_database():
            async for document in collection.find({}):
                yield document.raw

    async def _commits_before(self, cut: Instant) -> AsyncIterator[bytes]:
        """The commits of before this time. Raises BackupError if the database did not return one of them.

        Those of users are all there: their time is that of a replica, and they rest on nothing but their user.
        """
        await asyncio.sleep(max(0, cut + self._clocks_apart_ms - self._clock.now()) / 1_000)
        numbers: dict[str, _Numbers] = defaultdict(_Numbers)
        journal = MongoJournal(self._database)
        async for document in journal.stored():
            commit = RawBSONDocument(document)
            if is_of_a_user(commit):
                yield document
            elif commit["at"] < cut:
                writer, seq = parse_commit_id(commit["_id"])
                numbers[writer].add(seq)
                yield document
        for writer, found in numbers.items():
            # What the journal lacks for good a backup lacks too: restore and verify name it.
            if found.count < found.last and await journal.count_of(writer, found.last) > found.count:
                raise BackupError(f"the database did not return all commits of {writer}: take the backup again")

    async def _who_came_meanwhile(self, draft: Path, began: int) -> AsyncIterator[bytes]:
        """Users whom the journal may know and whom the first reading did not find.

        They were announced perhaps after the journal was read, so they are to be announced again.
        """
        since = began - int(_CLOCKS.total_seconds() * 1_000)
        users = (bson.decode(document) for document in documents_in(draft / file_name(USERS)))
        known = {user["_id"] for user in users if user["created_at"] >= since}
        with reaching_the_database():
            async for user in self._database[USERS].find({"created_at": {"$gte": since}}):
                if user["_id"] not in known:
                    user.pop("announced_version", None)
                    yield bson.encode({**user, "announced": False})

    async def _write_file(self, draft: Path, name: str, documents: AsyncIterator[bytes]) -> None:
        """Append the documents to the collection's file."""
        path = draft / file_name(name)
        count = before = self._files[name].documents if name in self._files else 0
        with reaching_the_database():
            total = before + await self._database[name].estimated_document_count()
        with path.open("ab") as file, gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed:
            async for document in documents:
                packed.write(document)
                count += 1
                self._on_progress(name, count, max(count, total))
        flush_to_disk(path)
        self._files[name] = BackupFile(count, path.stat().st_size, digest_of(path))


@dataclass(slots=True)
class _Numbers:
    """How many commits a writer has, and the number of its last one."""

    count: int = 0
    last: int = 0

    def add(self, seq: int) -> None:
        self.count += 1
        self.last = max(self.last, seq)


def archives_in(folder: Path, manifest: Manifest) -> list[ArchiveFile]:
    """Return the archive files that the backup's journal points to. Raises BackupError."""
    if ARCHIVES not in manifest.collections:
        return []  # of a release that had none
    return files_of([bson.decode(document) for document in documents_in(folder / file_name(ARCHIVES))])


def _draft_of(folder: Path) -> Path:
    """Return an empty folder beside this one, in place of that of a backup that was interrupted. Raises BackupError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is there already: name a folder that is not")
    draft = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    # Password hashes and addresses are nobody else's business.
    draft.mkdir(mode=0o700, parents=True)
    return draft


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds")
