"""What time it is in the database."""

from datetime import UTC

from actors.runtime.clock import SharedClock
from actors.storage.database import Database, reaching_the_database


def database_clock(database: Database) -> SharedClock:
    """The clock that all processes on this database share."""

    async def ask() -> float:
        with reaching_the_database():
            answer = await database.client.admin.command("hello")
        return float(answer["localTime"].replace(tzinfo=UTC).timestamp())

    return SharedClock(ask)
