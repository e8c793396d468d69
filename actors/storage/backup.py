"""A backup: the journal up to one moment and what it does not say, while the market runs.

The folder gets its name when all is in it and on disk: what has that name is whole.
"""

import gzip
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection

from actors.runtime.ports import Clock
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
from actors.storage.journal import MongoJournal
from actors.storage.schema import BREAKING, SCHEMA

JOURNAL = "journal"
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
# Read after it, as it stands for Stripe: that may have more than we know, never less.
AFTER_JOURNAL = ("sandbox_changes", "sandbox_plans")
# Derived from the journal, or of no use elsewhere: see docs/operations.md.
LEFT_OUT = ("tickets", "orders", "charges", "cursors", "event_stream", "sessions", "email_tokens")

# Clocks of replicas are not further apart than this.
_CLOCKS = timedelta(hours=1)
_COMPRESSION = 1

OnProgress = Callable[[str, int, int], None]


class Backup:
    """One backup, of a database that may be in use."""

    def __init__(self, database: Database, clock: Clock, on_progress: OnProgress = lambda *_: None) -> None:
        self._database = database
        self._clock = clock
        self._on_progress = on_progress
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
        last = await MongoJournal(self._database).newest()
        await self._write_file(draft, JOURNAL, self._commits_up_to(last))
        await self._write_file(draft, USERS, self._who_came_meanwhile(draft, began))
        for name in AFTER_JOURNAL:
            await self._write_file(draft, name, self._documents(name))
        return Manifest(FORMAT, SCHEMA, BREAKING, _iso(began), _iso(self._clock.now()), last, self._files)

    async def _documents(self, name: str) -> AsyncIterator[bytes]:
        collection: AsyncCollection[Any] = self._database[name].with_options(CodecOptions(RawBSONDocument))
        with reaching_the_database():
            async for document in collection.find({}):
                yield document.raw

    async def _commits_up_to(self, last: str | None) -> AsyncIterator[bytes]:
        """The commits up to the one that was the last when it was asked for.

        In the order in which they came, a commit comes after each that was acknowledged before it was begun. So what is
        read is what the journal was at one moment, for all that anybody could know.
        """
        if last is None:
            return
        async for document in MongoJournal(self._database).stored():
            yield document
            if RawBSONDocument(document)["_id"] == last:
                return

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
