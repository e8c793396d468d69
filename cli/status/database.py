"""The market's database: whether it answers, and which purchases wait in it."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from actors.runtime.clock import wall_clock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import Database, connect, database_of, reaching_the_database
from actors.storage.unsettled import Unsettled
from cli.running_market import NotRunningError, with_database
from cli.status.away import AwayError, answered, in_time
from cli.status.document import ServerStatus, UnsettledPurchases
from config.settings import Settings

_CLOSE_SECONDS = 0.2
_MOST_COUNTED = 1_000


class MarketDatabase:
    """Connected to when it is first asked. Close it in the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: AsyncMongoClient[dict[str, Any]] | None = None

    async def look(self) -> tuple[ServerStatus, UnsettledPurchases]:
        """Return that it answers, and the purchases whose money is on the way. Raises AwayError."""
        try:
            async with in_time():
                return await self._look()
        except NotRunningError as error:
            raise AwayError(str(error)) from error
        except (StoreUnavailableError, PyMongoError) as error:
            # The type of the driver's error alone: its text may hold the address with its password.
            raise AwayError(f"it does not answer ({type(error.__cause__ or error).__name__})") from error

    async def _look(self) -> tuple[ServerStatus, UnsettledPurchases]:
        if self._client is None:
            self._client = connect(str(with_database(self._settings).mongodb_url))
        began = time.monotonic()
        with reaching_the_database():
            hello = await self._client.admin.command("hello")
        kind = "a replica set" if "setName" in hello else "one server"
        return answered(began, kind), await _unsettled(database_of(self._client))

    async def close(self) -> None:
        """Close the connections; a database that hangs is not waited for."""
        if self._client is not None:
            with suppress(TimeoutError, PyMongoError):
                await asyncio.wait_for(self._client.close(), _CLOSE_SECONDS)


async def _unsettled(database: Database) -> UnsettledPurchases:
    unsettled, now = Unsettled(database), wall_clock()
    return UnsettledPurchases(
        orders=await unsettled.orders_before(now + 1, _MOST_COUNTED),
        oldestSeconds=await unsettled.oldest_seconds(now),
    )
