"""The migration of this release in a process of its own: `python -m tests.upgrades.migrate`."""

import asyncio
import sys

from actors.processes.migration import migrate
from actors.storage.database import connect, database_of
from actors.storage.schema import UnusableDataError
from config.settings import load


async def run() -> None:
    async with connect(str(load().mongodb_url)) as client:
        await migrate(database_of(client))


if __name__ == "__main__":
    try:
        asyncio.run(run())
    except UnusableDataError as error:
        sys.exit(str(error))
