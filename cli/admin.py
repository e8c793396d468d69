"""``holdfast admin``: giving the role of an administrator, which no request can."""

import asyncio

from pymongo.errors import PyMongoError

from actors.runtime.clock import wall_clock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import connect, database_of
from actors.storage.schema import UnusableDataError, check_schema
from cli.running_market import NotRunningError, with_database
from config.settings import Settings
from serve_app.accounts import roles
from serve_app.accounts.roles import NoSuchUserError, UnverifiedError


def set_role(settings: Settings, email: str, *, is_admin: bool, unverified: bool = False) -> bool:
    """Give or take the role; False when nothing changed. It is given to `unverified` addresses only on demand.

    Raises NotRunningError, NoSuchUserError, UnverifiedError, PyMongoError, StoreUnavailableError and UnusableDataError.
    """
    return asyncio.run(_set_role(with_database(settings), email, is_admin=is_admin, unverified=unverified))


async def _set_role(settings: Settings, email: str, *, is_admin: bool, unverified: bool) -> bool:
    async with connect(str(settings.mongodb_url)) as client:
        database = database_of(client)
        await check_schema(database)
        return await roles.set_role(database, wall_clock, email, is_admin=is_admin, unverified=unverified)


# What keeps a role from being given, each with one line that says why.
FAILURES = (
    NotRunningError, NoSuchUserError, UnverifiedError, PyMongoError, StoreUnavailableError, UnusableDataError
)  # fmt: skip
