"""What time it is in the database."""

from datetime import UTC, datetime

from actors.runtime.clock import SharedClock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import Database, reaching_the_database


def database_clock(database: Database) -> SharedClock:
    """The clock that all processes on this database share."""

    async def ask() -> float:
        with reaching_the_database():
            answer = await database.client.admin.command("hello")
        return _seconds(answer.get("localTime"))

    return SharedClock(ask)


def _seconds(said: object) -> float:
    """Seconds since 1970. MongoDB says a date, FerretDB whole milliseconds."""
    if isinstance(said, datetime):
        return said.replace(tzinfo=UTC).timestamp()
    if isinstance(said, int) and not isinstance(said, bool):
        return said / 1000
    raise StoreUnavailableError("hello has no localTime")
