"""Tickets, orders and charges made anew from the journal, also while actors write them.

What is right already is only read. So a rebuild that was killed is simply begun again.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import bson
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from actors.domain.codec import Document
from actors.domain.keys import order_key
from actors.payments.charge_entity import ChargeEntity
from actors.read_model.projections import FIRST_PROJECTION, PROJECTIONS, ticket_document
from actors.runtime.entity import Entity
from actors.runtime.ports import DocumentUpdate, version_key
from actors.runtime.replay import latest_per_document, load
from actors.storage.archive_files import ArchivedCommits
from actors.storage.database import Database, despite_contention, duplicates_of, reaching_the_database, unknown_outcome
from actors.storage.documents import MongoDocuments
from actors.storage.entities import MongoEntities
from actors.storage.fold import PLACES, Fold, FoldedDocument
from actors.storage.journal import ARCHIVED, MongoJournal, records_of
from actors.tickets.entity import TicketEntity

# So many documents are in memory at once; for a larger market the journal is read more than once.
ROOM = 200_000
PAGE = 200
ENTITIES_AT_ONCE = 50
KEYS_AT_ONCE = 100

Place = tuple[str, str]
T = TypeVar("T")


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did, by collection. `commits` were read in `reading_seconds`, once for each of the `readings`.

    `left_out` are entities whose documents were left as they are: the journal lacks a version, or a newer release
    wrote one.
    """

    commits: int = 0
    readings: int = 0
    reading_seconds: float = 0.0
    checked: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    left_out: set[str] = field(default_factory=set)

    @property
    def commits_per_second(self) -> float:
        """How fast the journal was read and folded."""
        return self.commits / self.reading_seconds if self.reading_seconds else 0.0


class _FromTheFold:
    """Entities that go on from how they were folded, whatever their documents say; others begin with their first event.

    What is archived is in the fold, and not in the journal any more.
    """

    folded: Mapping[str, Any] = MappingProxyType({})

    async def load(self, ids: Collection[str]) -> dict[str, Any]:
        return {entity_id: self.folded[entity_id] for entity_id in ids if entity_id in self.folded}


class _Tickets(_FromTheFold, TicketEntity):
    """Tickets as above."""


class _Charges(_FromTheFold, ChargeEntity):
    """Charges as above."""


class Rebuild:
    """One rebuild of a database's documents."""

    def __init__(self, database: Database, archive: ArchivedCommits | None = None, room: int = ROOM) -> None:
        """`archive` has what the journal does not have any more; without it there must be nothing in `archives`."""
        queries = MongoEntities(database)
        self._folded_kinds: Sequence[_Tickets | _Charges] = (_Tickets(queries), _Charges(queries))
        self._kinds: Mapping[str, Entity[Any, Any]] = {kind.kind: kind for kind in self._folded_kinds}
        self._database = database
        self._journal = MongoJournal(database)
        self._archive = ArchivedCommits(Path()) if archive is None else archive
        self._room = room
        self._done = Rebuilt()

    async def run(self, on_progress: Callable[[str, int, int], None] = lambda *_: None) -> Rebuilt:
        """Write every document that is missing or wrong, and remove those that the journal does not know.

        `on_progress` is told what is done, how much of it, and of about how many. Raises StoreUnavailableError.
        """
        first = 0
        while first < PLACES:
            fold = await self._folded(first, on_progress)
            first = fold.end
            for kind in self._folded_kinds:
                kind.folded = fold.states_of(kind.kind)
            ahead: list[FoldedDocument] = []
            written = 0
            for page in _pages(sorted(fold.documents), PAGE):
                ahead += await self._write([fold.documents[place] for place in page])
                written += len(page)
                on_progress("documents", written, len(fold.documents))
            await self._settle(ahead)
            await self._look_again(fold.left_out)
        for collection in PROJECTIONS:
            await self._remove_unknown(collection)
        return self._done

    async def _folded(self, first: int, on_progress: Callable[[str, int, int], None]) -> Fold:
        done, fold = self._done, Fold(self._kinds, first, self._room)
        began, commits, total = time.monotonic(), 0, await self._journal.length()
        async for commit in self._all_commits():
            fold.add(records_of(commit, fold.takes))
            commits += 1
            on_progress("commits", commits, max(commits, total))
        fold.finish()
        done.reading_seconds += time.monotonic() - began
        done.commits += commits
        done.readings += 1
        return fold

    async def _all_commits(self) -> AsyncIterator[Document]:
        """The archived ones first, the oldest file before the others. Those of a run that was killed come twice."""
        for raw in self._archive.documents():
            yield bson.decode(raw)
        async for raw in self._journal.stored():
            commit = bson.decode(raw)
            if ARCHIVED not in commit:
                yield commit

    async def _write(self, expected: Sequence[FoldedDocument]) -> list[FoldedDocument]:
        """Write what is missing or wrong, and return those of which a later version is stored."""
        stored = await self._stored(expected)
        ahead: list[FoldedDocument] = []
        missing: dict[str, list[Document]] = {}
        wrong: dict[str, list[tuple[Document, Document]]] = {}
        for one in expected:
            update = one.update
            self._done.checked[update.collection] += 1
            there = stored.get((update.collection, update.id))
            if there is None:
                missing.setdefault(update.collection, []).append(update.document())
            elif _is_later(there, update.version):
                ahead.append(one)
            elif _is_wrong(there, update):
                wrong.setdefault(update.collection, []).append((there, update.document()))
        for collection, documents in missing.items():
            await self._insert(collection, documents)
        for collection, pairs in wrong.items():
            await self._replace(collection, pairs)
        return ahead

    async def _settle(self, ahead: Sequence[FoldedDocument]) -> None:
        """Compare documents that are ahead of the fold with the journal as it is now.

        Actors went on, or wrote more than they had to, or the documents are of no version that there ever was.
        """
        by_entity: dict[str, list[FoldedDocument]] = {}
        for one in ahead:
            by_entity.setdefault(one.entity, []).append(one)
        for entities in _pages(sorted(by_entity), ENTITIES_AT_ONCE):
            expected = [one for entity in entities for one in by_entity[entity]]
            # Read before the journal is: a document is never of a later version than the journal then has.
            stored = await self._stored(expected)
            now = await self._since_the_fold(entities)
            for one in expected:
                place = (one.update.collection, one.update.id)
                if one.entity in self._done.left_out or place not in stored:
                    continue
                update = now.get(place, one.update)
                if _is_wrong(stored[place], update):
                    await self._replace(place[0], [(stored[place], update.document())])

    async def _since_the_fold(self, entities: Sequence[str]) -> dict[Place, DocumentUpdate]:
        """What the documents have to be that changed since these entities were folded, and tickets as they are now."""
        found: dict[Place, DocumentUpdate] = {}
        for name, kind in self._kinds.items():
            ids = {entity.partition(":")[2] for entity in entities if entity.startswith(f"{name}:")}
            loaded = await load(kind, self._journal, ids)
            if loaded.unreadable:
                self._done.left_out |= {f"{name}:{entity_id}" for entity_id in loaded.unreadable}
                loaded = await load(kind, self._journal, ids - loaded.unreadable)
            updates = latest_per_document(loaded.updates)
            if name == TicketEntity.kind:
                updates += [
                    DocumentUpdate("tickets", ticket_id, ticket.version, partial(ticket_document, ticket))
                    for ticket_id, ticket in loaded.states.items()
                    if ticket is not None
                ]
            found |= {(update.collection, update.id): update for update in updates}
        return found

    async def _look_again(self, left_out: Collection[str]) -> None:
        """Write what can be folded after all: a version may have come into view after a later one."""
        documents = MongoDocuments(self._database)
        for entities in _pages(sorted(left_out), ENTITIES_AT_ONCE):
            await documents.write(list((await self._since_the_fold(entities)).values()))

    async def _remove_unknown(self, collection: str) -> None:
        """Remove documents whose beginning is not in the journal."""
        documents = self._database[collection]
        with reaching_the_database():
            if await documents.count_documents({}) <= self._done.checked[collection]:
                return
            ids = [document["_id"] async for document in documents.find({}, {"_id": 1})]
        for page in _pages(ids, KEYS_AT_ONCE):
            keys = {_first_key(collection, str(one)): one for one in page}
            unknown = [keys[key] for key in keys.keys() - await self._journal.existing_keys(keys)]
            if unknown:
                with reaching_the_database():
                    gone = await despite_contention(partial(documents.delete_many, {"_id": {"$in": unknown}}))
                self._done.removed[collection] += gone.deleted_count

    async def _stored(self, expected: Sequence[FoldedDocument]) -> dict[Place, Document]:
        by_collection: dict[str, list[str]] = {}
        for one in expected:
            by_collection.setdefault(one.update.collection, []).append(one.update.id)
        with reaching_the_database():
            return {
                (collection, document["_id"]): document
                for collection, ids in by_collection.items()
                for document in await self._database[collection].find({"_id": {"$in": ids}}).to_list()
            }

    async def _insert(self, collection: str, documents: Sequence[Document]) -> None:
        refused: list[int] = []
        try:
            with reaching_the_database():
                await despite_contention(partial(self._database[collection].insert_many, documents, ordered=False))
        except BulkWriteError as error:
            refused = duplicates_of(error)  # an actor was faster
        self._done.written[collection] += len(documents) - len(refused)

    async def _replace(self, collection: str, pairs: Sequence[tuple[Document, Document]]) -> None:
        """Replace each stored document by the other one, unless an actor did so since it was read."""
        replacements = [
            ReplaceOne({"_id": there["_id"], **{name: there.get(name) for name in ("version", "projection")}}, document)
            for there, document in pairs
        ]
        with reaching_the_database():
            try:
                result = await despite_contention(partial(self._database[collection].bulk_write, replacements))
            except BulkWriteError as error:
                raise unknown_outcome(error) from error
        self._done.written[collection] += result.matched_count


def _is_later(there: Document, version: int) -> bool:
    """Whether the stored document is of a later version. What has no number is of none."""
    stored = there.get("version")
    return isinstance(stored, int) and stored > version


def _is_of_newer_release(there: Document, update: DocumentUpdate) -> bool:
    """Whether a newer release wrote the document, in this very version."""
    projection = there.get("projection", FIRST_PROJECTION)
    is_newer = isinstance(projection, int) and projection > PROJECTIONS[update.collection]
    return is_newer and there.get("version") == update.version


def _is_wrong(there: Document, update: DocumentUpdate) -> bool:
    """Whether the stored document has to be replaced by this one."""
    return not _is_of_newer_release(there, update) and not _is_equal(there, update.document())


def _is_equal(there: Document, document: Document) -> bool:
    """Whether the stored document is this one byte for byte, wherever its id stands."""
    as_stored: bytes = bson.encode(_id_first(there))
    return as_stored == bson.encode(_id_first(document))


def _id_first(document: Document) -> Document:
    return {"_id": document["_id"], **document}


def _first_key(collection: str, entity_id: str) -> str:
    """The key of the commit in which what the document tells of came into being."""
    match collection:
        case "orders":
            return order_key(entity_id)
        case "tickets":
            return version_key(f"{TicketEntity.kind}:{entity_id}", 1)
        case _:
            return version_key(f"{ChargeEntity.kind}:{entity_id}", 1)


def _pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[first : first + size] for first in range(0, len(items), size))
