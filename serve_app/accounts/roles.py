"""The role of an administrator, which no request can give: only the operator can."""

from collections.abc import Callable

from actors.domain.account_events import RoleChanged
from actors.domain.instants import Instant
from actors.storage.database import Database
from actors.storage.security_events import SecurityEventRecords
from actors.storage.users import Users
from serve_app.security.audit_log import AuditLog


class NoSuchUserError(Exception):
    """Nobody has this address."""


class UnverifiedError(Exception):
    """Nobody has shown that the address is theirs: signing up with somebody else's asks for no proof."""


async def set_role(
    database: Database, clock: Callable[[], Instant], email: str, *, is_admin: bool, unverified: bool
) -> bool:
    """Give or take the role; False when nothing changed. It is given to `unverified` addresses only on demand.

    Raises NoSuchUserError, UnverifiedError, PyMongoError and StoreUnavailableError.
    """
    users, events = Users(database), AuditLog(SecurityEventRecords(database), clock)
    user = await users.by_email(email)
    if user is None:
        raise NoSuchUserError("nobody has signed up with this address")
    if is_admin and user.verified_at is None and not unverified:
        raise UnverifiedError(
            "the address was not confirmed, so it may be somebody else's account; "
            "with --unverified the role is given all the same"
        )
    changed = await users.set_admin(user.id, clock(), is_admin=is_admin)
    if changed:
        events.record(RoleChanged(user.id, is_admin))
        await events.flush()
    return changed
