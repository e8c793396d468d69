"""Signing up, in and out, and what the links of mails lead to."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.storage.user_flags import email_key
from serve_app.accounts import account, sessions
from serve_app.http.errors import CustomError
from serve_app.http.idempotency import identify
from serve_app.schemas.users import EmailTokenBody, PasswordReset, ResetRequest, SignIn, SignUp
from serve_app.services import services_of
from serve_app.web.forms import KEY, Form, own_path, read_form, sent
from serve_app.web.page import render, see_other
from serve_app.web.visitor import visitor_of

router = APIRouter(include_in_schema=False)
_NEXT = "next"


@router.get("/signup")
async def show_sign_up(request: Request) -> Response:
    """Show the form of a new account; who is signed in goes on."""
    return _entrance(request, "signup.html", _asked(request, _NEXT))


@router.post("/signup")
async def sign_up(request: Request) -> Response:
    """Open an account, sign in, and go back to where one came from."""
    services = services_of(request)
    fields = await read_form(request)
    try:
        body = SignUp.of(sent(fields, "email", "password"), services.rules())
        identity = identify(fields.get(KEY), "signup", email_key(body.email), body)
        signed_up = await sessions.sign_up(services, services.address_of(request), body, identity)
        response = see_other(own_path(fields.get(_NEXT)))
        await sessions.begin_session(request, response, signed_up.user)
    except CustomError as error:
        return _entrance(request, "signup.html", Form.failed(fields, error), error)
    return response


@router.get("/signin")
async def show_sign_in(request: Request) -> Response:
    """Show the form; who is signed in goes on."""
    return _entrance(request, "signin.html", _asked(request, _NEXT, "done", "email"))


@router.post("/signin")
async def sign_in(request: Request) -> Response:
    """Sign in, and go back to where one came from."""
    services = services_of(request)
    fields = await read_form(request)
    try:
        body = SignIn.of(sent(fields, "email", "password"), services.rules())
        user = await sessions.sign_in(services, services.address_of(request), body)
        response = see_other(own_path(fields.get(_NEXT)))
        await sessions.begin_session(request, response, user)
    except CustomError as error:
        return _entrance(request, "signin.html", Form.failed(fields, error), error)
    return response


@router.post("/signout")
async def sign_out(request: Request) -> Response:
    """End the session; the browser forgets what it kept."""
    response = see_other("/?done=signedout")
    await sessions.sign_out(request, response)
    return response


@router.get("/signout")
async def show_sign_out(_request: Request) -> Response:
    """Lead to the account, where the button is: nobody is signed out by a link."""
    return see_other("/account")


@router.get("/verify")
async def show_verification(request: Request) -> Response:
    """Show the button that confirms an address. Mail programs open links, so the link alone does nothing."""
    return _with_secrets(request, "verify.html", Form())


@router.post("/verify")
async def verify(request: Request) -> Response:
    """Use the token of the mail."""
    services = services_of(request)
    fields = await read_form(request)
    try:
        body = EmailTokenBody.of(sent(fields, "token"), services.rules())
        await account.confirm_verification(services, services.address_of(request), body)
    except CustomError as error:
        return _with_secrets(request, "verify.html", Form.failed(fields, error), error)
    is_signed_in = visitor_of(request).session is not None
    return see_other("/account?done=verified" if is_signed_in else "/signin?done=verified")


@router.get("/reset-password")
async def show_reset(request: Request) -> Response:
    """Show both forms: asking for the mail, and setting another password with the token in it."""
    return _with_secrets(request, "reset-password.html", _asked(request, "done", "email"))


@router.post("/reset-password")
async def reset_password(request: Request) -> Response:
    """Send the mail, or with a token set another password."""
    services = services_of(request)
    fields = await read_form(request)
    address = services.address_of(request)
    try:
        if "email" not in fields:
            await account.confirm_reset(
                services, address, PasswordReset.of(sent(fields, "token", "password"), services.rules())
            )
            return see_other("/signin?done=password")
        await account.request_reset(services, address, ResetRequest.of(sent(fields, "email"), services.rules()))
    except CustomError as error:
        return _with_secrets(request, "reset-password.html", Form.failed(fields, error), error)
    return see_other("/reset-password?done=sent")


@router.get("/.well-known/change-password")
async def lead_to_password(_request: Request) -> Response:
    """Lead password managers to where the password is changed (https://w3c.github.io/webappsec-change-password-url/)."""
    return see_other("/account#change-password")


def _asked(request: Request, *names: str) -> Form:
    """Return a form with what the address says."""
    return Form({name: request.query_params.get(name, "") for name in names})


def _entrance(request: Request, template: str, form: Form, error: CustomError | None = None) -> Response:
    if error is None and visitor_of(request).session is not None:
        return see_other(own_path(form.value(_NEXT)))
    return _with_secrets(request, template, form, error)


def _with_secrets(request: Request, template: str, form: Form, error: CustomError | None = None) -> Response:
    status = error.status_code if error else 200
    headers = error.headers if error else None
    return render(request, template, {"form": form}, status=status, has_secrets=True, headers=headers)
