"""One clock for all hosts: the database's, kept by the monotonic clock between looks at it."""

import asyncio
import time
from datetime import UTC
from typing import Any

from pymongo.errors import PyMongoError

from actors.runtime.ports import Instant
from actors.storage.database import Database

REFRESH_SECONDS = 10.0


class DatabaseClock:
    """Milliseconds on the database's clock, so that hosts with wrong clocks agree; its own until the first look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset = time.time() - time.monotonic()

    def now(self) -> Instant:
        return int((time.monotonic() + self._offset) * 1000)

    async def refresh(self) -> None:
        """Asks the database once; while it is away the offset stays as it was."""
        asked = time.monotonic()
        try:
            answer: dict[str, Any] = await self._database.client.admin.command("hello")
        except PyMongoError:
            return
        # The answer was made about half way between asking and hearing.
        heard = (asked + time.monotonic()) / 2
        self._offset = answer["localTime"].replace(tzinfo=UTC).timestamp() - heard

    async def run(self) -> None:
        """Keeps the offset fresh until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()
