"""Old commits of what has ended: what they say moves into files, and their keys stay in the journal for ever.

A commit in the journal is replaced only when its file is on disk and was read again. A run that was killed is simply
begun again: it takes what still is in the journal. Nothing that the market does needs what moves: it loads entities
from their documents, which are as new as the commit, and finds keys in the journal.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection

from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.domain.ticket_values import TicketStatus
from actors.runtime.ports import parse_commit_id
from actors.storage.archive_files import remove_unfinished, write_archive
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.database import Database, despite_contention, reaching_the_database
from actors.storage.journal import ARCHIVED, MongoJournal, archived_form
from actors.storage.schema import note_archives

# A file is made in memory, before it is compressed.
FILE_BYTES = 64 * 1024 * 1024
PAGE = 500
# In one statement. Of 500 each took twice as long (measured).
MOVED_AT_ONCE = 100

# What has to be known of a document to say whether it has ended.
_FIELDS = (
    "version", "updated_at", "status", "details.starts_at", "order.refunding",
    "by_waiter", "due_at", "unsettled_since", "by_payable_since", "by_failed_refund",
)  # fmt: skip
# What a document has only while something is still to be done.
_UNFINISHED = frozenset({"by_waiter", "due_at", "unsettled_since", "by_payable_since", "by_failed_refund"})
_COLLECTIONS = {"ticket": "tickets", "charge": "charges"}

Place = tuple[str, str]
OnProgress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Archived:
    """What a run did. `kept` are commits of before the date with something in them that has not ended.

    `bytes_before` and `bytes_after` are those of the archived commits in the journal.
    """

    commits: int = 0
    kept: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    files: list[str] = field(default_factory=list)


class Archive:
    """One run. The market may run, and others of these into other folders."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        before: Instant,
        on_progress: OnProgress = lambda *_: None,
        *,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        """Archive what ended `before` into the folder."""
        self._database = database
        self._folder = folder
        self._before = before
        self._on_progress = on_progress
        self._file_bytes = file_bytes
        self._done = Archived()

    async def run(self, *, dry_run: bool = False) -> Archived:
        """Archive all that can be; with `dry_run` only say how much.

        Raises StoreUnavailableError, BackupError and OSError; what was done until then is done.
        """
        if not dry_run:
            remove_unfinished(self._folder)
        batch: list[bytes] = []
        size = 0
        async for commit in self._ended():
            batch.append(commit)
            size += len(commit)
            self._count(commit)
            if size >= self._file_bytes and not dry_run:
                await self._archive(batch)
                batch, size = [], 0
        if batch and not dry_run:
            await self._archive(batch)
        return self._done

    def _count(self, commit: bytes) -> None:
        self._done.commits += 1
        self._done.bytes_before += len(commit)
        # The name of the file is not known yet, but how long it is.
        self._done.bytes_after += len(bson.encode(archived_form(bson.decode(commit), "0" * 16)))

    async def _archive(self, commits: Sequence[bytes]) -> None:
        file = write_archive(self._folder, commits)
        with reaching_the_database():
            archives, same = self._database["archives"], {"_id": file.name}
            await despite_contention(lambda: archives.replace_one(same, file.as_document(), upsert=True))
        await note_archives(self._database)
        ids = [RawBSONDocument(commit)["_id"] for commit in commits]
        for first in range(0, len(ids), MOVED_AT_ONCE):
            await MongoJournal(self._database).archive(ids[first : first + MOVED_AT_ONCE], file.name)
        self._done.files.append(file.name)

    async def _ended(self) -> AsyncIterator[bytes]:
        """Yield the commits that are not archived and tell of nothing but what has ended."""
        relayed = {one.writer: min(one.applied, one.published) for one in await MongoCheckpoints(self._database).all()}
        looked_at, total = 0, await MongoJournal(self._database).length()
        async for page in self._pages():
            commits = [(raw, bson.decode(raw)) for raw in page]
            stored = await self._documents([place for _, commit in commits for place, _ in _told(commit)])
            for raw, commit in commits:
                writer, seq = parse_commit_id(commit["_id"])
                is_relayed = seq <= relayed.get(writer, seq)
                if is_relayed and self._is_over(commit, stored):
                    yield raw
                else:
                    self._done.kept += 1
            looked_at += len(page)
            self._on_progress("commits", looked_at, max(looked_at, total))

    async def _pages(self) -> AsyncIterator[list[bytes]]:
        raw: AsyncCollection[Any] = self._database["journal"].with_options(CodecOptions(RawBSONDocument))
        page: list[bytes] = []
        with reaching_the_database():
            async for commit in raw.find({"at": {"$lt": self._before}, ARCHIVED: {"$exists": False}}):
                page.append(commit.raw)
                if len(page) == PAGE:
                    yield page
                    page = []
        if page:
            yield page

    def _is_over(self, commit: Document, stored: dict[Place, Document]) -> bool:
        if any(event["entity"].partition(":")[0] not in _COLLECTIONS for event in commit["events"]):
            return False  # users have a commit each, and other kinds few
        return all(
            place in stored and stored[place]["version"] >= version and self._has_ended(place[0], stored[place])
            for place, version in _told(commit)
        )

    def _has_ended(self, collection: str, document: Document) -> bool:
        if document["updated_at"] >= self._before or _UNFINISHED & document.keys():
            return False
        if collection != "tickets" or document["status"] == TicketStatus.WITHDRAWN.value:
            return True
        if document.get("order", {}).get("refunding"):
            return False
        starts_at = document["details"].get("starts_at")
        return bool(document["status"] == TicketStatus.SOLD.value if starts_at is None else starts_at < self._before)

    async def _documents(self, places: Sequence[Place]) -> dict[Place, Document]:
        by_collection: dict[str, set[str]] = {}
        for collection, one in places:
            by_collection.setdefault(collection, set()).add(one)
        with reaching_the_database():
            return {
                (collection, document["_id"]): document
                for collection, ids in by_collection.items()
                for document in await self._database[collection].find({"_id": {"$in": list(ids)}}, _FIELDS).to_list()
            }


def _told(commit: Document) -> list[tuple[Place, int]]:
    """The documents that a commit tells of, each with the version that it has to have at least."""
    told: list[tuple[Place, int]] = []
    for event in commit["events"]:
        kind, _, entity_id = event["entity"].partition(":")
        if kind in _COLLECTIONS:
            told.append(((_COLLECTIONS[kind], entity_id), event["version"]))
        if order := event["data"].get("order"):
            told.append((("orders", order["id"]), order["version"]))
    return told
