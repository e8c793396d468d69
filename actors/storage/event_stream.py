"""The event_stream collection: one document, how the streams in Redis were when they were looked at last."""

from dataclasses import asdict, dataclass

from actors.runtime.ports import Instant
from actors.storage.database import Database, despite_contention, reaching_the_database

_ID = "state"


@dataclass(frozen=True, slots=True)
class StreamState:
    """The streams' epoch, their server's run id, and each partition's last entry id, at the instant `looked_at`."""

    epoch: str
    run_id: str
    last_ids: tuple[str, ...]
    looked_at: Instant


class MongoStreamStates:
    """Where the last look is kept, outside of Redis. Both methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._states = database["event_stream"]

    async def load(self) -> StreamState | None:
        """Return the last one that was saved, None before the first."""
        with reaching_the_database():
            found = await self._states.find_one({"_id": _ID}, {"_id": 0})
        return None if found is None else StreamState(**{**found, "last_ids": tuple(found["last_ids"])})

    async def save(self, state: StreamState) -> None:
        """Keep it in the place of the one before."""
        kept = {"$set": {**asdict(state), "last_ids": list(state.last_ids)}}
        with reaching_the_database():
            await despite_contention(lambda: self._states.update_one({"_id": _ID}, kept, upsert=True))
