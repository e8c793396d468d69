"""Writing documents whole: an insert for what is new, a replacement guarded by the version for what exists."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from pymongo.errors import BulkWriteError

from actors.domain.codec import Document
from actors.runtime.ports import DocumentUpdate
from actors.runtime.replay import latest_per_document
from actors.storage.database import (
    Database,
    despite_contention,
    duplicates_of,
    reaching_the_database,
    unknown_outcome,
)
from actors.storage.server import server_of
from holdfast.batch_loader import BatchLoader

# Replacements in one command, which carries them all and may have 16 MB: whoever recovers a dead writer brings tens
# of thousands, and a ticket with a long description has some 100 KB.
LARGEST = 100
MADE_AT_ONCE = 10


class MongoDocuments:
    """Documents in MongoDB; any applier may write any of them at any time, twice and in any order.

    What several ask to be written while one command is under way goes into the next one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing: dict[str, BatchLoader[Sequence[DocumentUpdate], None]] = {}

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        """Writes each document unless one of a newer version, or of this one in as new a projection, is there.

        So a newer release brings documents over, and an older one takes none of them back. Raises
        StoreUnavailableError.
        """
        by_collection: dict[str, list[DocumentUpdate]] = defaultdict(list)
        for update in updates:
            by_collection[update.collection].append(update)
        for collection, group in by_collection.items():
            if collection not in self._writing:
                self._writing[collection] = BatchLoader(self._write_groups)
            await self._writing[collection](group)

    async def _write_groups(self, groups: Sequence[Sequence[DocumentUpdate]]) -> list[None]:
        """All of one collection."""
        # In one order everywhere: two writers of the same documents, each waiting for what the other has locked, would
        # wait for each other.
        found = latest_per_document([update for group in groups for update in group])
        updates = sorted(found, key=lambda update: update.id)
        exist = await self._insert([update for update in updates if update.is_new])
        replacements = [update for update in updates if not update.is_new] + exist
        replacements.sort(key=lambda update: update.id)
        for first in range(0, len(replacements), LARGEST):
            await self._replace(replacements[first : first + LARGEST])
        return [None] * len(groups)

    async def _insert(self, updates: list[DocumentUpdate]) -> list[DocumentUpdate]:
        """Inserts in one command, a third of the cost of replacing; returns those that exist already."""
        if not updates:
            return []
        documents = await _made(updates)
        collection = self._database[updates[0].collection]
        try:
            with reaching_the_database():
                await despite_contention(lambda: collection.insert_many(documents, ordered=False))
        except BulkWriteError as error:
            return [updates[place] for place in duplicates_of(error)]
        return []

    async def _replace(self, updates: list[DocumentUpdate]) -> None:
        """Replaces what exists in one command, and inserts the rest; what came into being meanwhile is replaced."""
        while updates:
            collection = self._database[updates[0].collection]
            ids = {"_id": {"$in": [update.id for update in updates]}}
            documents = await _made(updates)
            with reaching_the_database():
                server = await server_of(collection.database)
                try:
                    known = await despite_contention(partial(server.replace, collection, documents))
                except BulkWriteError as error:
                    # None of them has another key, so it is no duplicate: how many were written is not known.
                    raise unknown_outcome(error) from error
                if known == len(updates):
                    return
                there = {document["_id"] for document in await collection.find(ids, {"_id": 1}).to_list()}
            updates = await self._insert([one for one in updates if one.id not in there])


async def _made(updates: Sequence[DocumentUpdate]) -> list[Document]:
    """The documents, a few at a time: the words of one can take 3 ms, and a host answers others meanwhile."""
    documents: list[Document] = []
    for place, update in enumerate(updates, 1):
        documents.append(update.document())
        if place % MADE_AT_ONCE == 0:
            await asyncio.sleep(0)
    return documents
