"""What the commands do with the market's database."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.domain.instants import Instant
from actors.processes import migration
from actors.storage.archive import Archive, Archived
from actors.storage.archive_files import ArchivedCommits, archived_commits
from actors.storage.backup import Backup, archives_in
from actors.storage.backup_files import Manifest, checked_manifest
from actors.storage.clock import database_clock
from actors.storage.database import Database, connect, database_of
from actors.storage.journal import MongoJournal
from actors.storage.rebuild import Rebuild, Rebuilt
from actors.storage.restore import Restore
from actors.storage.schema import UnusableDataError, check_schema, note_archives, refuse_newer
from cli.data.market_database import market_database
from cli.data.progress import OnProgress
from config.settings import Settings

# Where it reads a whole collection, the embedded database may take its time for an answer.
PATIENCE_MS = 600_000


@dataclass(frozen=True, slots=True)
class Timed:
    """A backup, or what was restored from one, and how long that took."""

    manifest: Manifest
    seconds: float

    @property
    def commits(self) -> int:
        """How many commits the journal has in it."""
        return self.manifest.collections["journal"].documents

    @property
    def documents_per_second(self) -> float:
        """How fast it went, the journal included."""
        return self.manifest.documents / self.seconds


async def rebuild(settings: Settings, archive: Path | None, on_progress: OnProgress) -> Rebuilt:
    """Rebuild the documents of the journal and of the archive in this folder.

    Raises what `_opened` raises, BackupError, and UnusableDataError, also for an empty journal.
    """
    async with _opened(settings) as database:
        await check_schema(database)
        if await MongoJournal(database).newest() is None:
            # What the documents say may be all that is left.
            raise UnusableDataError("the journal is empty: set MONGODB_URL to the market's database, or restore it")
        archived = await archived_commits(database, archive or settings.archive_dir)
        archived.check()
        return await Rebuild(database, archived).run(on_progress)


async def archive(
    settings: Settings, before: Instant, folder: Path, on_progress: OnProgress, *, dry_run: bool
) -> Archived:
    """Archive what ended before that. Raises what `_opened` raises, BackupError, UnusableDataError and OSError."""
    async with _opened(settings) as database:
        await check_schema(database)
        run = Archive(database, folder, before, on_progress)
        return await run.run(dry_run=dry_run)


async def backup(settings: Settings, folder: Path, on_progress: OnProgress) -> Timed:
    """Write a backup into a new folder. Raises what `_opened` raises, BackupError, UnusableDataError and OSError."""
    began = time.monotonic()
    async with _opened(settings) as database:
        await check_schema(database)
        clock = database_clock(database)
        await clock.refresh()
        manifest = await Backup(database, clock, on_progress).write(folder)
    return Timed(manifest, time.monotonic() - began)


async def restore(
    settings: Settings, folder: Path, archive: Path | None, on_progress: OnProgress
) -> tuple[Timed, Rebuilt]:
    """Fill an empty database from a backup and the archive beside it. Raises what `backup` raises."""
    began = time.monotonic()
    manifest = checked_manifest(folder)
    refuse_newer(manifest.breaking, f"{folder} is a backup")
    archived = ArchivedCommits(archive or settings.archive_dir, archives_in(folder, manifest))
    archived.check()
    async with _opened(settings, is_new=True) as database:
        under_way = Restore(database, folder, manifest)
        await under_way.begin()
        # First: made of what is there, a unique index took the embedded database 15 times as long (measured).
        await migration.create_all_indexes(database)
        await under_way.load(on_progress)
        if archives_in(folder, manifest):  # they may have come while the backup was made, after the note of the schema
            await note_archives(database)
        rebuilt = await Rebuild(database, archived).run(on_progress)
        await under_way.end()
        await migration.migrate(database)
    return Timed(manifest, time.monotonic() - began), rebuilt


async def migrate(settings: Settings) -> None:
    """Bring the database up to this release, its documents included. Raises what `_opened` does, UnusableDataError."""
    async with _opened(settings) as database:
        await migration.migrate(database)
        await migration.upgrade_documents(database)


async def prepare(url: str) -> None:
    """Bring the database at this address up to this release, but for documents, which the Supervisor rewrites.

    Raises UnusableDataError and StoreUnavailableError.
    """
    async with connect(url, patience_ms=PATIENCE_MS) as client:
        await migration.migrate(database_of(client))


@asynccontextmanager
async def _opened(settings: Settings, *, is_new: bool = False) -> AsyncIterator[Database]:
    """Connect to the market's database. Raises what `market_database` raises, and StoreUnavailableError."""
    with market_database(settings, is_new=is_new) as url:
        async with connect(url, patience_ms=PATIENCE_MS) as client:
            yield database_of(client)
