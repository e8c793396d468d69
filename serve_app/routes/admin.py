"""What administrators may do to others: shut somebody out, and let them in again."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.accounts import UserBanned, UserUnbanned
from actors.domain.ids import is_id
from serve_app.errors import ConflictError, NotFoundError
from serve_app.openapi import documented
from serve_app.queries.users import User
from serve_app.responses import json_response, no_content
from serve_app.schemas.admin import AccountView, account_view
from serve_app.services import Services, services_of

router = APIRouter(prefix="/api/admin/users", tags=["admin"])
_OF_ADMINS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/{user_id}", **documented({HTTPStatus.OK: AccountView}, _OF_ADMINS, signed_in=True))
async def read_user(request: Request, user_id: str) -> Response:
    """Return an account."""
    services = services_of(request)
    await services.admin(request)
    return json_response(account_view(await _existing(services, user_id)))


@router.put(
    "/{user_id}/ban",
    **documented({HTTPStatus.NO_CONTENT: None}, (*_OF_ADMINS, HTTPStatus.CONFLICT), signed_in=True),
)
async def ban(request: Request, user_id: str) -> Response:
    """End all sessions of the user at once and for as long as the ban lasts, and withdraw their tickets.

    What somebody holds of them is theirs until the hold runs out or is paid. A repeat changes nothing.
    """
    services = services_of(request)
    admin = await services.admin(request)
    user = await _existing(services, user_id)
    if user.is_admin:
        raise ConflictError("An administrator cannot be banned: the operator has to take the role away first.")
    if await services.users.ban(user.id, services.clock()):
        services.security_events.note(UserBanned(user.id, admin.id))
    # Also on a repeat: the first may have ended half-way.
    await services.sessions.end_all(user.id)
    return no_content()


@router.delete("/{user_id}/ban", **documented({HTTPStatus.NO_CONTENT: None}, _OF_ADMINS, signed_in=True))
async def unban(request: Request, user_id: str) -> Response:
    """Let the user sign in again; withdrawn tickets stay withdrawn. A repeat changes nothing."""
    services = services_of(request)
    admin = await services.admin(request)
    user = await _existing(services, user_id)
    if await services.users.unban(user.id, services.clock()):
        services.security_events.note(UserUnbanned(user.id, admin.id))
    return no_content()


async def _existing(services: Services, user_id: str) -> User:
    user = await services.users.by_id(user_id) if is_id(user_id) else None
    if user is None:
        raise NotFoundError("There is no such user.")
    return user
