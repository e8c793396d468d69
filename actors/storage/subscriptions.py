"""The subscriptions collection: where our own durable subscriptions stand, outside of Redis."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from actors.domain.codec import Document
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import Database, despite_contention, reaching_the_database


class MongoPositions:
    """Satisfies `holdfast.events.Positions`. Both methods raise ConnectionError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._subscriptions = database["subscriptions"]

    async def load(self, durable: str) -> Mapping[int, int] | None:
        """Return the times that were saved, by partition; None for a durable of which nothing was."""
        with _raising_connection_error():
            found = await self._subscriptions.find_one({"_id": durable})
        # An earlier state of this release kept a position in the one stream that there was.
        return None if found is None else {int(number): at for number, at in found.get("times", {}).items()}

    async def save(self, durable: str, times: Mapping[int, int]) -> None:
        """Remember that the durable exists, and the times of these partitions beside those of the others."""
        update: Document = {"$setOnInsert": {"times": {}}}
        if times:
            update = {"$set": {f"times.{number}": at for number, at in times.items()}}
        with _raising_connection_error():
            await despite_contention(lambda: self._subscriptions.update_one({"_id": durable}, update, upsert=True))


@contextmanager
def _raising_connection_error() -> Iterator[None]:
    try:
        with reaching_the_database():
            yield
    except StoreUnavailableError as error:
        raise ConnectionError(str(error)) from error
