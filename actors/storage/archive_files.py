"""The files of an archive: the commits that were moved out of the journal, as they were stored there.

The collection `archives` names each file that a commit in the journal points to. A file never changes.
"""

import gzip
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import bson
from bson.raw_bson import RawBSONDocument

from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.runtime.ports import RecordedEvent
from actors.storage.backup_files import BackupError, digest_of, documents_in, flush_to_disk
from actors.storage.database import Database, reaching_the_database
from actors.storage.journal import records_of

_SUFFIX = ".bson.gz"
_UNFINISHED = ".unfinished"
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file: how many commits it has, until when, and size and SHA-256 of it, with which its name begins."""

    name: str
    commits: int
    until: Instant
    size: int
    sha256: str

    def as_document(self) -> Document:
        """Return what `archives` has of it."""
        document = asdict(self)
        return {"_id": document.pop("name"), **document}


class ArchivedCommits:
    """The commits of some files in a folder."""

    def __init__(self, folder: Path, files: Sequence[ArchiveFile] = ()) -> None:
        self._folder = folder
        self._files = {file.name: file for file in files}

    def check(self) -> None:
        """Raise BackupError unless all files are in the folder and what they were."""
        for file in self._files.values():
            path = self._existing(file.name)
            if digest_of(path) != file.sha256:
                raise BackupError(f"{path} is damaged, its SHA-256 is not the one of `archives`: take another copy")

    def documents(self) -> Iterator[bytes]:
        """Yield all commits as they were stored. Raises BackupError where a file is missing or damaged."""
        for name in self._files:
            yield from documents_in(self._existing(name))

    def records(self, name: str, commits: Collection[str], entity: str) -> list[RecordedEvent]:
        """Return the entity's events in these commits of one file. Raises BackupError."""
        found = (bson.decode(raw) for raw in documents_in(self._existing(name)))
        wanted = (document for document in found if document["_id"] in commits)
        return [record for document in wanted for record in records_of(document, lambda one: one == entity)]

    def has(self, name: str) -> bool:
        """Whether this file is in the folder."""
        return self._path(name).is_file()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _existing(self, name: str) -> Path:
        path = self._path(name)
        if not path.is_file():
            raise BackupError(f"{path.name} is not in {self._folder}: name the folder of the archive with --archive")
        return path


async def archived_commits(database: Database, folder: Path) -> ArchivedCommits:
    """Return all that the journal points to, to be read from the folder. Raises StoreUnavailableError."""
    with reaching_the_database():
        return ArchivedCommits(folder, files_of(await database["archives"].find().to_list()))


async def is_archived_since(database: Database, at: Instant) -> bool:
    """Whether a commit of this time or later is archived. Raises StoreUnavailableError."""
    with reaching_the_database():
        return await database["archives"].find_one({"until": {"$gte": at}}) is not None


def files_of(documents: Sequence[Document]) -> list[ArchiveFile]:
    """Return the files that documents of `archives` tell of, the oldest first."""
    found = [ArchiveFile(one["_id"], one["commits"], one["until"], one["size"], one["sha256"]) for one in documents]
    return sorted(found, key=lambda file: (file.until, file.name))


def write_archive(folder: Path, commits: Sequence[bytes]) -> ArchiveFile:
    """Write the commits into a file that is named by its content, so that a repeat writes the same one.

    When it returns the file is on disk and was read again. Raises BackupError and OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = gzip.compress(b"".join(commits), mtime=0)
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{digest[:_DIGITS]}{_SUFFIX}"
    draft = path.with_name(f"{path.name}{_UNFINISHED}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    flush_to_disk(draft)
    if list(documents_in(draft)) != list(commits):
        raise BackupError(f"{draft} does not hold what was written into it: check the disk")
    draft.rename(path)
    flush_to_disk(folder)
    until = max(RawBSONDocument(commit)["at"] for commit in commits)
    return ArchiveFile(digest[:_DIGITS], len(commits), until, len(content), digest)


def remove_unfinished(folder: Path) -> None:
    """Remove what a run that was killed left behind; nothing points to it."""
    for path in folder.glob(f"*{_UNFINISHED}"):
        path.unlink(missing_ok=True)
