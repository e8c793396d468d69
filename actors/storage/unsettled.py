"""How long purchases and refunds wait for money, for whoever watches the market."""

from actors.runtime.ports import Instant
from actors.storage.database import Database, reaching_the_database

_COLLECTIONS = "orders", "charges"


class Unsettled:
    """Reads two indexes that only have what waits. Raises StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def oldest(self) -> Instant | None:
        """Return when anything last happened to the order or charge that waits longest, None if none waits."""
        oldest: list[Instant] = []
        with reaching_the_database():
            for collection in _COLLECTIONS:
                waiting = self._database[collection].find({"unsettled_since": {"$gt": 0}}, {"unsettled_since": 1})
                oldest += [one["unsettled_since"] async for one in waiting.sort("unsettled_since", 1).limit(1)]
        return min(oldest, default=None)

    async def orders_before(self, before: Instant, most: int) -> int:
        """Return how many orders wait that nothing happened to since then, `most` if there are more."""
        with reaching_the_database():
            return await self._database["orders"].count_documents({"unsettled_since": {"$lt": before}}, limit=most)
