"""The names under which events are stored, their versions, and how old versions are read.

A name and a version never change their meaning, since the journal keeps them for ever; a class may be renamed. A field
that is added with a default needs nothing here. Any other change raises the version: it adds an upcaster, which makes
the data of the next version of that of the one before. A release reads the versions up to its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from actors.domain import account_events, messages

FIRST_VERSION = 1

EVENT_TYPES: Mapping[str, type[Any]] = {
    "TicketCreated": messages.TicketCreated,
    "TicketUpdated": messages.TicketUpdated,
    "TicketWithdrawn": messages.TicketWithdrawn,
    "TicketSuspended": messages.TicketSuspended,
    "TicketReinstated": messages.TicketReinstated,
    "OrderCreated": messages.OrderCreated,
    "OfferAccepted": messages.OfferAccepted,
    "OrderAwaitingPayment": messages.OrderAwaitingPayment,
    "OrderReopened": messages.OrderReopened,
    "OrderCompleted": messages.OrderCompleted,
    "OrderRefunding": messages.OrderRefunding,
    "OrderRefundFailed": messages.OrderRefundFailed,
    "OrderCancelled": messages.OrderCancelled,
    "OrderExpired": messages.OrderExpired,
    "WaiterJoined": messages.WaiterJoined,
    "WaiterLeft": messages.WaiterLeft,
    "WaitingListClosed": messages.WaitingListClosed,
    "ChargeCreated": messages.ChargeCreated,
    "ChargeTried": messages.ChargeRetryScheduled,
    "ChargeIntentCreated": messages.ChargeIntentCreated,
    "ChargeActionRequired": messages.ChargeActionRequired,
    "ChargeAuthorised": messages.ChargeAuthorised,
    "ChargeCompleted": messages.ChargeCompleted,
    "ChargeFailed": messages.ChargeFailed,
    "ChargeVoided": messages.ChargeVoided,
    "ChargeIntentCancelled": messages.ChargeIntentCancelled,
    "ChargeRefunding": messages.ChargeRefunding,
    "ChargeRefunded": messages.ChargeRefunded,
    "ChargeRefundFailed": messages.ChargeRefundFailed,
    "ChargePaidByHand": messages.ChargePaidByHand,
    "ChargeDisputed": messages.ChargeDisputed,
    "UserCreated": account_events.UserCreated,
    "UserUpdated": account_events.UserUpdated,
    "SignedIn": account_events.SignedIn,
    "SignInFailed": account_events.SignInFailed,
    "SignedOut": account_events.SignedOut,
    "PasswordChanged": account_events.PasswordChanged,
    "PasswordReset": account_events.PasswordReset,
    "EmailVerified": account_events.EmailVerified,
    "UserBanned": account_events.UserBanned,
    "UserUnbanned": account_events.UserUnbanned,
    "TicketTakenDown": account_events.TicketTakenDown,
    "RoleChanged": account_events.RoleChanged,
    "AccountClosed": account_events.AccountClosed,
}
NAMES = {event: name for name, event in EVENT_TYPES.items()}

# By stored name: from the first version to the second, from the second to the third, and so on.
UPCASTERS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], ...]] = {}


def version_of(name: str) -> int:
    """Return the version in which events of this name are written."""
    return FIRST_VERSION + len(UPCASTERS.get(name, ()))
