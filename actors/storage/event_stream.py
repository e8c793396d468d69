"""The event_stream collection: one document, how the streams in Redis were when they were looked at last."""

from dataclasses import asdict, dataclass

from actors.domain.codec import Document
from actors.runtime.ports import Instant
from actors.storage.database import Database, despite_contention, reaching_the_database

_ID = "state"


@dataclass(frozen=True, slots=True)
class StreamState:
    """The streams' epoch, their server's run id, and each partition's last entry id, at the instant `looked_at`.

    Before the first epoch of a market there is its name alone.
    """

    epoch: str
    run_id: str
    last_ids: tuple[str, ...]
    looked_at: Instant

    @property
    def is_of_an_epoch(self) -> bool:
        """Whether there was an epoch already."""
        return self.run_id != ""


class MongoStreamStates:
    """Where the last look is kept, outside of Redis. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._states = database["event_stream"]

    async def load(self) -> StreamState | None:
        """Return the last one that was saved, None before the first."""
        with reaching_the_database():
            found = await self._states.find_one({"_id": _ID}, {"_id": 0})
        return None if found is None else StreamState(**{**found, "last_ids": tuple(found["last_ids"])})

    async def save_the_first(self, state: StreamState) -> StreamState:
        """Keep it unless there is one, and return the one that is kept."""
        kept = {"$setOnInsert": _document_of(state)}
        with reaching_the_database():
            await despite_contention(lambda: self._states.update_one({"_id": _ID}, kept, upsert=True))
        return await self.load() or state

    async def save(self, state: StreamState) -> None:
        """Keep it in the place of the one before."""
        kept = {"$set": _document_of(state)}
        with reaching_the_database():
            await despite_contention(lambda: self._states.update_one({"_id": _ID}, kept, upsert=True))


def _document_of(state: StreamState) -> Document:
    return {**asdict(state), "last_ids": list(state.last_ids)}
