"""Showing that an address is one's own, and choosing another password with a mail to it."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from actors.domain.accounts import EmailVerified, PasswordReset
from actors.mail.letters import Kind
from actors.mail.outbox import to_user
from actors.mail.tokens import EmailToken, is_of
from actors.storage.users import email_key
from serve_app.bodies import read_json
from serve_app.errors import RequestValidationError
from serve_app.openapi import documented
from serve_app.queries.users import User
from serve_app.responses import json_response
from serve_app.schemas import users as schemas
from serve_app.schemas.users import EmailTokenBody, EmptyView, ResetRequest
from serve_app.security.password_rules import weakness_of
from serve_app.services import Services, services_of

router = APIRouter(prefix="/api/users", tags=["users"])
_LIMITED = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_USED_UP = {"token": "is not valid any more: ask for another mail"}


@router.post(
    "/verification",
    **documented({HTTPStatus.ACCEPTED: EmptyView}, (HTTPStatus.UNAUTHORIZED, *_LIMITED), signed_in=True),
)
async def send_verification(request: Request) -> Response:
    """Send the mail again that shows whether the address is one's own; nothing happens when that is known."""
    services = services_of(request)
    user = await services.signed_in_user(request)
    await services.limits.mail(email_key(user.email), services.address_of(request))
    if user.verified_at is None:
        await services.outbox.add([to_user(Kind.VERIFICATION, user.id, services.clock())])
    return json_response({}, HTTPStatus.ACCEPTED)


@router.post("/verification/confirm", **documented({HTTPStatus.OK: EmptyView}, _LIMITED, body=EmailTokenBody))
async def confirm_verification(request: Request) -> Response:
    """Use the token of the mail, signed in or not."""
    services = services_of(request)
    body = EmailTokenBody.of(await read_json(request), services.rules())
    token, user = await _found(request, body.token, Kind.VERIFICATION)
    await _use(services, token)
    if await services.users.verify_email(user, services.clock()):
        services.security_events.note(EmailVerified(user.id))
    return json_response({})


@router.post("/password/reset", **documented({HTTPStatus.ACCEPTED: EmptyView}, _LIMITED, body=ResetRequest))
async def request_reset(request: Request) -> Response:
    """Send a mail to the address if it is somebody's. The answer and what is done for it are the same if it is not."""
    services = services_of(request)
    body = ResetRequest.of(await read_json(request), services.rules())
    await services.limits.mail(email_key(body.email), services.address_of(request))
    user = await services.users.by_email(body.email)
    # A mail to nobody is kept and dropped in the same way.
    await services.outbox.add([to_user(Kind.PASSWORD_RESET, user.id if user else None, services.clock())])
    return json_response({}, HTTPStatus.ACCEPTED)


@router.post("/password/reset/confirm", **documented({HTTPStatus.OK: EmptyView}, _LIMITED, body=schemas.PasswordReset))
async def confirm_reset(request: Request) -> Response:
    """Store another password and end all sessions. The reader of mail to the address has verified it, too."""
    services = services_of(request)
    body = schemas.PasswordReset.of(await read_json(request), services.rules())
    token, user = await _found(request, body.token, Kind.PASSWORD_RESET)
    # Before the token is used up, which is not given back.
    weakness = weakness_of(body.password, user.email)
    if weakness is not None:
        raise RequestValidationError({"password": weakness})
    password_hash = await services.passwords.hash(body.password)
    await _use(services, token)
    if not await services.users.change_password(user, password_hash, services.clock()):
        raise RequestValidationError(_USED_UP)
    await services.sessions.end_all(user.id)
    services.security_events.note(PasswordReset(user.id))
    await services.users.verify_email(user, services.clock())
    await services.outbox.add([to_user(Kind.PASSWORD_CHANGED, user.id, services.clock())])
    return json_response({})


async def _found(request: Request, token: str, purpose: Kind) -> tuple[EmailToken, User]:
    """Return the token and its user. Raises RequestValidationError for every other token in the same words."""
    services = services_of(request)
    await services.limits.token(services.address_of(request))
    found = await services.email_tokens.find(token, purpose, services.clock())
    user = await services.users.by_id(found.user_id) if found else None
    if found is None or user is None or not is_of(found, email_key(user.email)):
        raise RequestValidationError(_USED_UP)
    return found, user


async def _use(services: Services, token: EmailToken) -> None:
    if not await services.email_tokens.use(token):
        raise RequestValidationError(_USED_UP)
