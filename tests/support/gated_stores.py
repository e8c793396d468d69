"""Documents and checkpoints on the real database that wait in front of a gate."""

import asyncio
from collections.abc import Sequence

from actors.runtime.ports import Checkpoint, DocumentUpdate
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.database import Database
from actors.storage.documents import MongoDocuments


class GatedDocuments(MongoDocuments):
    """`waiting` says how many writes wait."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.waiting = 0

    async def write(self, updates: Sequence[DocumentUpdate]) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        await super().write(updates)


class GatedCheckpoints(MongoCheckpoints):
    """`waiting` says how many checkpoints wait to be saved."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.waiting = 0

    async def save(self, checkpoint: Checkpoint) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        await super().save(checkpoint)
