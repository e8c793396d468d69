"""The files of a backup: documents as `mongodump --gzip` writes them, one after the other, and a manifest."""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 2
MANIFEST = "manifest.json"

_LENGTH_BYTES = 4


class BackupError(Exception):
    """No backup can be made there, or this is none; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One collection: how many documents, and size and SHA-256 of the compressed file."""

    documents: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup: all commits of before `began_at`; for `schema` and `breaking` see schema.py."""

    format: int
    schema: int
    breaking: int
    began_at: str
    ended_at: str
    collections: dict[str, BackupFile]

    @property
    def documents(self) -> int:
        """How many documents the backup has."""
        return sum(file.documents for file in self.collections.values())

    def as_json(self) -> dict[str, Any]:
        """Return what the manifest's file holds."""
        return asdict(self)


def file_name(collection: str) -> str:
    """Return what the collection's file is called."""
    return f"{collection}.bson.gz"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_to_disk(path: Path) -> None:
    """Have a file or a folder outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def documents_in(path: Path) -> Iterator[bytes]:
    """Yield the documents of a file. Raises BackupError where it is damaged."""
    try:
        with gzip.open(path) as file:
            while length := file.read(_LENGTH_BYTES):
                size = int.from_bytes(length, "little") - _LENGTH_BYTES
                rest = file.read(max(size, 0))
                if size <= 0 or len(rest) < size:
                    raise BackupError(f"{path} is damaged: take another backup")
                yield length + rest
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BackupError(f"{path} is damaged ({type(error).__name__}): take another backup") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder of files, with which it is whole."""
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest.as_json(), indent=2) + "\n")
    flush_to_disk(path)
    flush_to_disk(folder)


def checked_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup whose files are what it says they are. Raises BackupError."""
    try:
        found = json.loads((folder / MANIFEST).read_text())
        if found["format"] > FORMAT:
            raise BackupError(f"{folder} is a backup of a newer release (format {found['format']}): install that one")
        found.pop("last_commit", None)  # format 1 was cut behind it
        found["collections"] = {name: BackupFile(**file) for name, file in found["collections"].items()}
        manifest = Manifest(**found)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BackupError(f"{folder / MANIFEST} is damaged: take another backup") from None
    for name, file in manifest.collections.items():
        path = folder / file_name(name)
        if not path.is_file():
            raise BackupError(f"{path} is missing: take another backup")
        if digest_of(path) != file.sha256:
            raise BackupError(f"{path} is damaged, its SHA-256 is not that of {MANIFEST}: take another backup")
    return manifest
