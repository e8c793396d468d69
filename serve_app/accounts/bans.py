"""What administrators do with accounts."""

from actors.domain.account_events import UserBanned, UserUnbanned
from actors.domain.ids import is_id
from actors.storage.users import User
from serve_app.buying.waiting import leave_all
from serve_app.http.errors import ConflictError, NotFoundError
from serve_app.services import Services


async def existing_user(services: Services, user_id: str) -> User:
    """Return an account. Raises NotFoundError."""
    user = await services.users.by_id(user_id) if is_id(user_id) else None
    if user is None:
        raise NotFoundError("There is no such user.")
    return user


async def ban(services: Services, admin: User, user_id: str) -> None:
    """End all sessions and access tokens of the user, who gets none while the ban lasts, and withdraw their tickets.

    A repeat changes nothing. At most 200 tickets before the return, the others within seconds. Raises NotFoundError,
    and ConflictError for an administrator.
    """
    user = await existing_user(services, user_id)
    if user.is_admin:
        raise ConflictError("An administrator cannot be banned: the operator has to take the role away first.")
    if await services.users.ban(user.id, services.clock()):
        services.security_events.record(UserBanned(user.id, admin.id))
    # Also on a repeat: the first may have ended half-way.
    await services.sessions.end_all(user.id)
    await services.access_tokens.revoke_all(user.id)
    await services.unlisting.suspend_at_once(user.id)
    await leave_all(services, user.id)


async def unban(services: Services, admin: User, user_id: str) -> None:
    """Let the user sign in again; withdrawn tickets stay withdrawn. A repeat changes nothing. Raises NotFoundError."""
    user = await existing_user(services, user_id)
    if await services.users.unban(user.id, services.clock()):
        services.security_events.record(UserUnbanned(user.id, admin.id))
