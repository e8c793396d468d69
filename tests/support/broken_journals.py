"""Journals on the real database that go wrong in one way each."""

import asyncio
from collections.abc import Collection

from actors.runtime.ports import Commit, FencedError, StoreUnavailableError
from actors.storage.database import Database
from actors.storage.journal import MongoJournal


class GatedJournal(MongoJournal):
    """Commits wait in front of the gate; `waiting` says how many do."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.waiting = 0

    async def append(self, commit: Commit) -> int:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        return await super().append(commit)


class LosesAnswers(MongoJournal):
    """Writes, and loses the first answers. `tried` are the commits that it was asked to append."""

    def __init__(self, database: Database, times: int) -> None:
        super().__init__(database)
        self.tried: list[Commit] = []
        self._times = times

    async def append(self, commit: Commit) -> int:
        self.tried.append(commit)
        size = await super().append(commit)
        if len(self.tried) <= self._times:
            raise StoreUnavailableError("the answer was lost")
        return size


class TakesItsOwnForAnothers(LosesAnswers):
    """Does not know again what it wrote itself."""

    async def append(self, commit: Commit) -> int:
        if await self.existing_keys(commit.keys):
            raise FencedError
        return await super().append(commit)


class Away(MongoJournal):
    """Cannot be reached while `away`. `tries` counts how often it was asked to append."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.away = False
        self.tries = 0

    async def append(self, commit: Commit) -> int:
        self.tries += 1
        self._check()
        return await super().append(commit)

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        self._check()
        return await super().commits_with_keys(keys)

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        self._check()
        return await super().existing_keys(keys)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailableError("away")
