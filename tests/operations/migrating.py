"""`holdfast migrate` that kills itself with -9 at one point: `python -m tests.operations.migrating URL POINT`."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from actors.processes import migration
from actors.storage import upgrades
from actors.storage.database import connect, database_of
from actors.storage.documents import MongoDocuments

# After the first of the calls of a function, in the order in which a migration comes to them.
POINTS: dict[str, tuple[Any, str]] = {
    "all indexes were created": (migration, "create_all_indexes"),
    "an address has its new key": (upgrades, "_convert"),
    "the schema is noted": (migration, "note_schema"),
    "a page of documents was written": (MongoDocuments, "write"),
}


def killed_after(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def last(*of: Any) -> None:  # noqa: ANN401 - as the function
        await call(*of)
        os.kill(os.getpid(), signal.SIGKILL)

    return last


async def migrate(url: str) -> None:
    async with connect(url) as client:
        await migration.migrate(database_of(client))
        await migration.upgrade_documents(database_of(client))


if __name__ == "__main__":
    owner, name = POINTS[sys.argv[2]]
    setattr(owner, name, killed_after(getattr(owner, name)))
    asyncio.run(migrate(sys.argv[1]))
