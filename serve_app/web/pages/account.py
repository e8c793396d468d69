"""One's account: the address, the password, sessions, one's data, and its end. Each is a form of its own."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from actors.storage.access_tokens import SCOPES
from actors.storage.users import User
from serve_app.accounts import account, sessions
from serve_app.accounts.access_tokens import MadeToken, create_token, revoke_token
from serve_app.accounts.export import export_of
from serve_app.http.errors import CustomError, NotAuthorizedError
from serve_app.schemas.account import AccountClosing
from serve_app.schemas.tokens import TokenBody
from serve_app.schemas.users import PasswordChange
from serve_app.services import services_of
from serve_app.web.forms import KEY, Form, read_form, sent
from serve_app.web.page import SignInNeededError, render, see_other, signed_in

router = APIRouter(include_in_schema=False)
_LONGEST_NUMBER = 4
# Most programs only look.
_NEW_TOKEN = {"read": "yes", "expiresInDays": "90"}


@router.get("/account")
async def show_account(request: Request) -> Response:
    """Show what is known of the visitor and what they can do about it."""
    return await _shown(request, await _user(request))


@router.post("/account/password")
async def change_password(request: Request) -> Response:
    """Change the password. All other sessions end; this browser gets a new one."""
    services, user = services_of(request), await _user(request)
    fields = await read_form(request)
    try:
        body = PasswordChange.of(sent(fields, "currentPassword", "newPassword"), services.rules())
        changed = await account.change_password(services, services.address_of(request), user, body)
        response = see_other("/account?done=password")
        await sessions.begin_session(request, response, changed)
    except CustomError as error:
        return await _shown(request, user, error, "password_form")
    return response


@router.post("/account/verification")
async def send_verification(request: Request) -> Response:
    """Send the mail again that confirms the address."""
    services, user = services_of(request), await _user(request)
    try:
        await account.send_verification(services, services.address_of(request), user)
    except CustomError as error:
        return await _shown(request, user, error, "address_form")
    return see_other("/account?done=mail")


@router.post("/account/sessions/{session_id}")
async def end_session(request: Request, session_id: str) -> Response:
    """End one of one's sessions."""
    await sessions.end_session(services_of(request), signed_in(request).user_id, session_id)
    return see_other("/account?done=session")


@router.post("/account/sessions")
async def end_all_sessions(request: Request) -> Response:
    """Sign out everywhere, here as well."""
    services, user = services_of(request), await _user(request)
    await services.sessions.end_all(user.id)
    response = see_other("/?done=signedout")
    await services.sessions.sign_out(None, response)
    return response


@router.post("/account/tokens")
async def make_access_token(request: Request) -> Response:
    """Make a token for a program, and show its text in this answer only.

    It is no redirect: the text would have to be kept for the next page. A reload sends the same key, and makes nothing.
    """
    user, fields = await _user(request), await read_form(request)
    try:
        body = TokenBody.of(_token_of(fields), services_of(request).rules())
        made = await create_token(request, body, fields.get(KEY))
    except CustomError as error:
        return await _shown(request, user, error, "token_form", values=fields)
    return await _shown(request, user, made=made)


@router.post("/account/tokens/{token_id}")
async def revoke_access_token(request: Request, token_id: str) -> Response:
    """Revoke one of one's tokens."""
    await revoke_token(services_of(request), signed_in(request).user_id, token_id)
    return see_other("/account?done=revoked")


@router.post("/account/close")
async def close_account(request: Request) -> Response:
    """Close the account and erase the person."""
    services, user = services_of(request), await _user(request)
    fields = await read_form(request)
    try:
        password = {"password": fields["closing-password"]} if "closing-password" in fields else {}
        body = AccountClosing.of(password, services.rules())
        await account.close_account(services, services.address_of(request), user, body)
    except CustomError as error:
        return await _shown(request, user, error, "close_form")
    response = see_other("/signin?done=closed")
    await services.sessions.sign_out(None, response)
    return response


@router.get("/account/export")
async def export(request: Request) -> Response:
    """Return everything that is kept about the visitor, as the API does."""
    services, user = services_of(request), await _user(request)
    headers = {"Content-Disposition": 'attachment; filename="holdfast-export.json"'}
    content = export_of(services, services.address_of(request), user)
    return StreamingResponse(content, media_type="application/json", headers=headers)


@router.get("/account/password")
@router.get("/account/verification")
@router.get("/account/sessions")
@router.get("/account/sessions/{session_id}")
@router.get("/account/tokens")
@router.get("/account/tokens/{token_id}")
@router.get("/account/close")
async def show_account_again(_request: Request) -> Response:
    """Lead from the addresses of forms to the account: nothing is done by looking."""
    return see_other("/account")


def _token_of(fields: Mapping[str, str]) -> dict[str, object]:
    """Return what the form says as the API's body says it: a number, and a list of scopes."""
    token = sent(fields, "name", "expiresInDays")
    days = fields.get("expiresInDays", "")
    if days.isdecimal() and len(days) <= _LONGEST_NUMBER:
        token["expiresInDays"] = int(days)
    return {**token, "scopes": [scope for scope in SCOPES if scope in fields]}


async def _user(request: Request) -> User:
    signed_in(request)
    try:
        return await services_of(request).signed_in_user(request)
    except NotAuthorizedError:
        raise SignInNeededError from None


async def _shown(  # noqa: PLR0913 - what is wrong with one form, or what another made
    request: Request,
    user: User,
    error: CustomError | None = None,
    failed: str = "",
    *,
    values: Mapping[str, str] = MappingProxyType({}),
    made: MadeToken | None = None,
) -> Response:
    services = services_of(request)
    current = signed_in(request)
    forms = {name: Form() for name in ("address_form", "password_form", "close_form")}
    forms["token_form"] = Form(_NEW_TOKEN)
    if error is not None:
        forms[failed] = Form.failed(values, error, names={"password": "closing-password"})
    context = {
        **forms,
        "user": user,
        "sessions": await services.sessions.of_user(user.id),
        "current_id": current.id,
        "tokens": await services.access_tokens.of_user(user.id),
        "made": made,
        "done": request.query_params.get("done", ""),
        "has_errors": error is not None,
    }
    status = error.status_code if error else HTTPStatus.CREATED if made else HTTPStatus.OK
    headers = error.headers if error else None
    return render(request, "account.html", context, status=status, has_secrets=True, headers=headers)
