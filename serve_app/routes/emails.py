"""Showing that an address is one's own, and choosing another password with a mail to it."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from serve_app.accounts import account
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import json_response
from serve_app.schemas.users import EmailTokenBody, EmptyView, PasswordReset, ResetRequest
from serve_app.services import services_of

router = APIRouter(prefix="/api/users", tags=["users"])
_LIMITED = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@router.post(
    "/verification",
    **documented({HTTPStatus.ACCEPTED: EmptyView}, (HTTPStatus.UNAUTHORIZED, *_LIMITED), signed_in=True, scope=None),
)
async def send_verification(request: Request) -> Response:
    """Send the mail again that shows whether the address is one's own; nothing happens when that is known."""
    services = services_of(request)
    user = await services.signed_in_user(request)
    await account.send_verification(services, services.address_of(request), user)
    return json_response({}, HTTPStatus.ACCEPTED)


@router.post(
    "/verification/confirm", **documented({HTTPStatus.OK: EmptyView}, _LIMITED, body=EmailTokenBody, scope=None)
)
async def confirm_verification(request: Request) -> Response:
    """Use the token of the mail, signed in or not."""
    services = services_of(request)
    body = EmailTokenBody.of(await read_json(request), services.rules())
    await account.confirm_verification(services, services.address_of(request), body)
    return json_response({})


@router.post("/password/reset", **documented({HTTPStatus.ACCEPTED: EmptyView}, _LIMITED, body=ResetRequest, scope=None))
async def request_reset(request: Request) -> Response:
    """Send a mail to the address if it is somebody's. The answer and what is done for it are the same if it is not."""
    services = services_of(request)
    body = ResetRequest.of(await read_json(request), services.rules())
    await account.request_reset(services, services.address_of(request), body)
    return json_response({}, HTTPStatus.ACCEPTED)


@router.post(
    "/password/reset/confirm", **documented({HTTPStatus.OK: EmptyView}, _LIMITED, body=PasswordReset, scope=None)
)
async def confirm_reset(request: Request) -> Response:
    """Store another password and end all sessions. The reader of mail to the address has verified it, too."""
    services = services_of(request)
    body = PasswordReset.of(await read_json(request), services.rules())
    await account.confirm_reset(services, services.address_of(request), body)
    return json_response({})
