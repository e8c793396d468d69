"""What a person may ask of us about their data: a copy, and to be forgotten (GDPR, articles 15, 17 and 20)."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from serve_app.accounts import account
from serve_app.accounts.export import export_of
from serve_app.http.openapi import documented
from serve_app.http.request_body import read_json
from serve_app.http.responses import no_content
from serve_app.schemas.account import AccountClosing, ExportView
from serve_app.services import services_of

router = APIRouter(prefix="/api/users/me", tags=["users"])
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE


@router.get(
    "/export",
    **documented(
        {HTTPStatus.OK: ExportView},
        (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, _UNAVAILABLE),
        signed_in=True,
        scope=None,
    ),
)
async def export(request: Request) -> Response:
    """Return everything that is kept about the person: with tickets, orders, payments, security events and mails."""
    services = services_of(request)
    user = await services.signed_in_user(request)
    return StreamingResponse(
        export_of(services, services.address_of(request), user),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="holdfast-export.json"'},
    )


@router.delete(
    "",
    **documented(
        {HTTPStatus.NO_CONTENT: None},
        (
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.CONFLICT,
            HTTPStatus.TOO_MANY_REQUESTS,
            _UNAVAILABLE,
        ),
        body=AccountClosing,
        signed_in=True,
        scope=None,
    ),
)
async def close_account(request: Request) -> Response:
    """Close the account, with the password, and erase the person: tickets are withdrawn, orders stay without a name.

    Not while a purchase is open: it would be paid by nobody, or nobody would hear of it. Not while somebody relies on a
    ticket of theirs, held or bought for an event to come (without a known beginning: bought within 180 days).
    """
    services = services_of(request)
    user = await services.signed_in_user(request)
    body = AccountClosing.of(await read_json(request), services.rules())
    await account.close_account(services, services.address_of(request), user, body)
    response = no_content()
    await services.sessions.sign_out(None, response)
    return response
