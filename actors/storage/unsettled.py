"""How long purchases and refunds wait for money, for whoever watches the market."""

from actors.runtime.ports import Instant
from actors.storage.database import Database, reaching_the_database

_COLLECTIONS = "orders", "charges"


class Unsettled:
    """Reads two indexes that only have what waits. Raises StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def oldest_seconds(self, now: Instant) -> float:
        """Return how long ago anything happened to the order or charge that waits longest, 0 if none waits."""
        oldest: list[Instant] = []
        with reaching_the_database():
            for collection in _COLLECTIONS:
                waiting = self._database[collection].find({"unsettled_since": {"$gt": 0}}, {"unsettled_since": 1})
                oldest += [one["unsettled_since"] async for one in waiting.sort("unsettled_since", 1).limit(1)]
        return max(0, now - min(oldest, default=now)) / 1_000

    async def orders_before(self, before: Instant, most: int) -> int:
        """Return how many orders wait that nothing happened to since then, `most` if there are more."""
        with reaching_the_database():
            return await self._database["orders"].count_documents({"unsettled_since": {"$lt": before}}, limit=most)
