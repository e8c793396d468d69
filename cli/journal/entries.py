"""``holdfast journal show`` and ``check``: one entity's events as committed, and the versions that are lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from actors.domain.codec import UnreadableEvent, archive_of, event_name
from actors.events.published import data_of
from actors.runtime.ports import RecordedEvent, parse_commit_id
from actors.storage.archive_files import ArchivedCommits
from actors.storage.database import Database, connect, database_of
from actors.storage.entities import MongoEntities
from actors.storage.journal import MongoJournal
from actors.storage.schema import check_schema
from cli.running_market import PATIENCE_MS, with_database
from config.settings import Settings
from serve_app.http.timestamps import iso

_KINDS = ("ticket", "charge", "user")
_ORDER = "order"


async def events_of(settings: Settings, entity_id: str, archive: Path) -> list[RecordedEvent]:
    """Return all events of a ticket, a charge, a user, or of the ticket of an order; `entity_id` may name the kind.

    What is archived is read from the files in this folder; of what is in none of them the name alone is known. Raises
    LookupError if the journal has none, and what `gaps` raises.
    """
    async with _database(settings) as database:
        return _with_archived(await _events_of(database, entity_id), archive)


async def _events_of(database: Database, entity_id: str) -> list[RecordedEvent]:
    kind, _, plain_id = entity_id.rpartition(":")
    journal = MongoJournal(database)
    for candidate in _KINDS if not kind else (kind,):
        entity = f"{candidate}:{plain_id}"
        if candidate == _ORDER:
            break
        if found := await _history(journal, entity):
            return found
    if kind in {"", _ORDER} and (order := (await MongoEntities(database).orders_in_journal([plain_id])).get(plain_id)):
        return await _history(journal, f"ticket:{order.ticket_id}")
    raise LookupError(f"the journal has no ticket, order, charge or user {entity_id}")


async def _history(journal: MongoJournal, entity: str) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    while page := await journal.history(entity, found[-1].version if found else 0):
        found += page
    return found


def _with_archived(found: list[RecordedEvent], folder: Path) -> list[RecordedEvent]:
    moved: dict[str, set[str]] = {}
    for record in found:
        if (file := archive_of(record.event)) and record.commit:
            moved.setdefault(file, set()).add(record.commit)
    archived = ArchivedCommits(folder)
    there = {
        record.version: record
        for file, commits in moved.items()
        if archived.has(file)
        for record in archived.records(file, commits, found[0].entity)
    }
    return [there.get(record.version, record) for record in found]


def as_json(record: RecordedEvent) -> dict[str, Any]:
    """Return the event for programs. Of its data no more than what may leave the market."""
    writer, commit = parse_commit_id(record.commit) if record.commit else (None, None)
    archive = archive_of(record.event)
    return {
        "entity": record.entity,
        "version": record.version,
        "time": iso(record.at),
        "name": event_name(record.event),
        "writer": writer,
        "commit": commit,
        "data": orjson.loads(_public_data(record)),
        **({"archive": archive} if archive else {}),
    }


def _public_data(record: RecordedEvent) -> bytes:
    """What a release does not understand it shows nothing of."""
    is_readable = not isinstance(record.event, UnreadableEvent)
    return orjson.dumps(data_of(record.event, record.entity_id) if is_readable else {}, option=orjson.OPT_UTC_Z)


def line_of(record: RecordedEvent) -> str:
    """Return time, entity, version, name, writer with the number of its commit, and data, or where that is."""
    shown = as_json(record)
    data = f"in the archive {shown['archive']}" if "archive" in shown else orjson.dumps(shown["data"]).decode()
    where = f"{shown['entity']}  {shown['version']}  {shown['name']}"
    return f"{shown['time']}  {where}  {shown['writer']}:{shown['commit']}  {data}"


async def gaps(settings: Settings, on_read: Callable[[int, int], None]) -> list[str]:
    """Return the entities that lack a version, in order; `on_read` is told how many commits of about how many.

    Raises NotRunningError, StoreUnavailableError, and schema.UnusableDataError for a database of a newer release.
    """
    async with _database(settings) as database:
        journal = MongoJournal(database)
        total = await journal.length()
        return sorted(await journal.with_gaps(lambda done: on_read(done, total)))


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with connect(str(with_database(settings).mongodb_url), patience_ms=PATIENCE_MS) as client:
        database = database_of(client)
        await check_schema(database)
        yield database
