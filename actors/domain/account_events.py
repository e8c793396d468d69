"""What happens to accounts, as events. Ids only: the journal never holds a person's data."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class UserCreated:
    """Somebody signed up."""

    user_id: str


@dataclass(frozen=True, slots=True)
class UserUpdated:
    """Something about the account changed: password, role, ban, a verified address, or it was closed."""

    user_id: str


UserEvent: TypeAlias = UserCreated | UserUpdated


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody gave the right password."""

    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class SignInFailed:
    """Somebody gave a wrong password, or the address of nobody: then without an id."""

    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class SignedOut:
    """A session was ended by its user: from itself, or `session_id` from another one."""

    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class PasswordChanged:
    """A user who knew the password chose another; all their sessions ended."""

    user_id: str


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """A user who can read mail to their address chose another password; their sessions and access tokens ended."""

    user_id: str


@dataclass(frozen=True, slots=True)
class TokenCreated:
    """A user made a personal access token, with which a program acts for them."""

    user_id: str
    token_id: str


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """A user revoked one of their personal access tokens."""

    user_id: str
    token_id: str


@dataclass(frozen=True, slots=True)
class EmailVerified:
    """A user showed that they can read mail to their address."""

    user_id: str


@dataclass(frozen=True, slots=True)
class UserBanned:
    """An administrator shut a user out."""

    user_id: str
    admin_id: str


@dataclass(frozen=True, slots=True)
class UserUnbanned:
    """An administrator let a user in again."""

    user_id: str
    admin_id: str


@dataclass(frozen=True, slots=True)
class TicketTakenDown:
    """An administrator withdrew somebody else's ticket; a word for why, when one was given."""

    ticket_id: str
    admin_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """The operator made a user an administrator, or took that back."""

    user_id: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class AccountClosed:
    """A user left; what was known of the person is erased."""

    user_id: str


@dataclass(frozen=True, slots=True)
class WebhookEndpointRegistered:
    """A user has events sent to an address: their own, or with `audience` market everybody's."""

    user_id: str
    endpoint_id: str
    audience: str


@dataclass(frozen=True, slots=True)
class WebhookSecretRotated:
    """A user had another secret made for an endpoint."""

    user_id: str
    endpoint_id: str


@dataclass(frozen=True, slots=True)
class WebhookEndpointDisabled:
    """Nothing is sent to an endpoint any more; a word for why."""

    user_id: str
    endpoint_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WebhookEndpointDeleted:
    """A user deleted an endpoint."""

    user_id: str
    endpoint_id: str


SecurityEvent: TypeAlias = (
    SignedIn
    | SignInFailed
    | SignedOut
    | PasswordChanged
    | PasswordReset
    | TokenCreated
    | TokenRevoked
    | EmailVerified
    | UserBanned
    | UserUnbanned
    | TicketTakenDown
    | RoleChanged
    | AccountClosed
    | WebhookEndpointRegistered
    | WebhookSecretRotated
    | WebhookEndpointDisabled
    | WebhookEndpointDeleted
)
