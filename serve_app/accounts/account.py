"""Changing an account: its password, its address's proof, and its end."""

from actors.domain.account_events import AccountClosed, EmailVerified, PasswordChanged, PasswordReset
from actors.mail.outbox import to_user
from actors.mail.templates import MailKind
from actors.mail.tokens import EmailToken, is_of
from actors.storage.user_flags import email_key
from actors.storage.users import User
from serve_app.accounts.password_rules import weakness_of
from serve_app.accounts.passwords import prove_password
from serve_app.buying.waiting import leave_all
from serve_app.http.errors import ConflictError, NotAuthorizedError, RequestValidationError
from serve_app.schemas import users as schemas
from serve_app.schemas.account import AccountClosing
from serve_app.schemas.users import EmailTokenBody, PasswordChange, ResetRequest
from serve_app.selling import webhook_endpoints
from serve_app.services import Services

_USED_UP = {"token": "is not valid any more: ask for another mail"}


async def change_password(services: Services, address: str, user: User, body: PasswordChange) -> User:
    """Change the password, end all sessions, and return the user as they are now. Access tokens stay.

    Raises RequestValidationError for a weak password or a wrong current one, and TooManyRequestsError.
    """
    weakness = weakness_of(body.new_password, user.email)
    if weakness is not None:
        raise RequestValidationError({"newPassword": weakness})
    await prove_password(services, address, user, body.current_password, field="currentPassword")
    password_hash = await services.passwords.hash(body.new_password)
    if not await services.users.change_password(user, password_hash, services.clock()):
        raise RequestValidationError({"currentPassword": "is wrong"})  # since a moment ago
    await services.sessions.end_all(user.id)
    services.security_events.record(PasswordChanged(user.id))
    await services.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, services.clock())])
    changed = await services.users.by_id(user.id)
    if changed is None:
        raise NotAuthorizedError
    return changed


async def send_verification(services: Services, address: str, user: User) -> None:
    """Send the mail again that shows whether the address is one's own; nothing happens when that is known.

    Raises TooManyRequestsError.
    """
    await services.limits.mail(email_key(user.email), address)
    if user.verified_at is None:
        await services.outbox.add([to_user(MailKind.VERIFICATION, user.id, services.clock())])


async def confirm_verification(services: Services, address: str, body: EmailTokenBody) -> None:
    """Use the token of the mail, signed in or not. Raises RequestValidationError and TooManyRequestsError."""
    token, user = await _found(services, address, body.token, MailKind.VERIFICATION)
    await _use(services, token)
    if await services.users.verify_email(user, services.clock()):
        services.security_events.record(EmailVerified(user.id))


async def request_reset(services: Services, address: str, body: ResetRequest) -> None:
    """Send a mail to the address if it is somebody's. What is done for it is the same if it is not.

    Raises TooManyRequestsError.
    """
    await services.limits.mail(email_key(body.email), address)
    user = await services.users.by_email(body.email)
    # A mail to nobody is kept and dropped in the same way.
    await services.outbox.add([to_user(MailKind.PASSWORD_RESET, user.id if user else None, services.clock())])


async def confirm_reset(services: Services, address: str, body: schemas.PasswordReset) -> None:
    """Store another password, end all sessions and revoke all access tokens: others may have made them.

    The reader of mail to the address has verified it, too.

    Raises RequestValidationError and TooManyRequestsError.
    """
    token, user = await _found(services, address, body.token, MailKind.PASSWORD_RESET)
    # Before the token is used up, which is not given back.
    weakness = weakness_of(body.password, user.email)
    if weakness is not None:
        raise RequestValidationError({"password": weakness})
    password_hash = await services.passwords.hash(body.password)
    await _use(services, token)
    if not await services.users.change_password(user, password_hash, services.clock()):
        raise RequestValidationError(_USED_UP)
    await services.sessions.end_all(user.id)
    await services.access_tokens.revoke_all(user.id)
    services.security_events.record(PasswordReset(user.id))
    await services.users.verify_email(user, services.clock())
    await services.outbox.add([to_user(MailKind.PASSWORD_CHANGED, user.id, services.clock())])


async def close_account(services: Services, address: str, user: User, body: AccountClosing) -> None:
    """Close the account, with the password, and erase the person: tickets are withdrawn, orders stay without a name.

    Raises RequestValidationError, TooManyRequestsError, and ConflictError while a purchase is open: it would be paid by
    nobody; or while somebody relies on a ticket of theirs, held or bought for an event to come.
    """
    await prove_password(services, address, user, body.password, field="password")
    if await services.queries.orders.has_open(user.id):
        raise ConflictError("You hold tickets: pay or cancel those orders first.")
    if promised := await services.queries.tickets.promised(user.id, services.clock()):
        raise ConflictError(
            f"Somebody holds, or bought for an event that is to come, your tickets {', '.join(promised)}. Wait until "
            "they are let go or the event has begun, or give the money back first."
        )
    await services.users.close(user.id, services.clock())
    await services.sessions.end_all(user.id)
    await services.access_tokens.revoke_all(user.id)
    await services.unlisting.suspend_at_once(user.id)
    await leave_all(services, user.id)
    await services.email_tokens.forget(user.id)
    await services.reports.forget(user.id)
    await services.favourites.forget(user.id)
    await webhook_endpoints.delete_all(services, user.id)
    services.security_events.record(AccountClosed(user.id))


async def _found(services: Services, address: str, token: str, purpose: MailKind) -> tuple[EmailToken, User]:
    """Return the token and its user. Raises RequestValidationError for every other token in the same words."""
    await services.limits.token(address)
    found = await services.email_tokens.find(token, purpose, services.clock())
    user = await services.users.by_id(found.user_id) if found else None
    if found is None or user is None or not is_of(found, email_key(user.email)):
        raise RequestValidationError(_USED_UP)
    return found, user


async def _use(services: Services, token: EmailToken) -> None:
    if not await services.email_tokens.use(token):
        raise RequestValidationError(_USED_UP)
