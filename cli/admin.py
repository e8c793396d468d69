"""``holdfast admin``: giving the role of an administrator, which no request can."""

import asyncio

from pymongo.errors import PyMongoError

from actors.domain.account_events import RoleChanged
from actors.runtime.clock import wall_clock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import connect, database_of
from actors.storage.security_events import SecurityEventRecords
from actors.storage.users import Users
from cli.status import NotRunningError, with_database
from config.settings import Settings
from serve_app.security.audit_log import AuditLog


class NoSuchUserError(Exception):
    """Nobody has this address."""


class UnverifiedError(Exception):
    """Nobody has shown that the address is theirs: signing up with somebody else's asks for no proof."""


def set_role(settings: Settings, email: str, *, is_admin: bool, unverified: bool = False) -> bool:
    """Give or take the role; False when nothing changed. It is given to `unverified` addresses only on demand.

    Raises NotRunningError, NoSuchUserError, UnverifiedError, PyMongoError and StoreUnavailableError.
    """
    return asyncio.run(_set_role(with_database(settings), email, is_admin=is_admin, unverified=unverified))


async def _set_role(settings: Settings, email: str, *, is_admin: bool, unverified: bool) -> bool:
    async with connect(str(settings.mongodb_url)) as client:
        database = database_of(client)
        users = Users(database)
        user = await users.by_email(email)
        if user is None:
            raise NoSuchUserError("nobody has signed up with this address")
        if is_admin and user.verified_at is None and not unverified:
            raise UnverifiedError(
                "the address was not confirmed, so it may be somebody else's account; "
                "with --unverified the role is given all the same"
            )
        changed = await users.set_admin(user.id, wall_clock(), is_admin=is_admin)
        if changed:
            events = AuditLog(SecurityEventRecords(database), wall_clock)
            events.note(RoleChanged(user.id, is_admin))
            await events.flush()
        return changed


# What keeps a role from being given, each with one line that says why.
FAILURES = (NotRunningError, NoSuchUserError, UnverifiedError, PyMongoError, StoreUnavailableError)
