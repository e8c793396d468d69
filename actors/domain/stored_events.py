"""The names under which events are stored, their versions, and how old versions are read.

A name and a version never change their meaning, since the journal keeps them for ever; a class may be renamed. A field
that is added with a default needs nothing here. Any other change raises the version: it adds an upcaster, which makes
the data of the next version of that of the one before. A release reads the versions up to its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from actors.domain import account_events, charge_events, membership, ticket_events

FIRST_VERSION = 1

EVENT_TYPES: Mapping[str, type[Any]] = {
    "TicketCreated": ticket_events.TicketCreated,
    "TicketUpdated": ticket_events.TicketUpdated,
    "TicketWithdrawn": ticket_events.TicketWithdrawn,
    "TicketSuspended": ticket_events.TicketSuspended,
    "TicketReinstated": ticket_events.TicketReinstated,
    "OrderCreated": ticket_events.OrderCreated,
    "OfferAccepted": ticket_events.OfferAccepted,
    "OrderAwaitingPayment": ticket_events.OrderAwaitingPayment,
    "OrderReopened": ticket_events.OrderReopened,
    "OrderCompleted": ticket_events.OrderCompleted,
    "OrderRefunding": ticket_events.OrderRefunding,
    "OrderRefundFailed": ticket_events.OrderRefundFailed,
    "OrderCancelled": ticket_events.OrderCancelled,
    "OrderExpired": ticket_events.OrderExpired,
    "WaiterJoined": ticket_events.WaiterJoined,
    "WaiterLeft": ticket_events.WaiterLeft,
    "WaitingListClosed": ticket_events.WaitingListClosed,
    "ChargeCreated": charge_events.ChargeCreated,
    "ChargeTried": charge_events.ChargeRetryScheduled,
    "ChargeIntentCreated": charge_events.ChargeIntentCreated,
    "ChargeActionRequired": charge_events.ChargeActionRequired,
    "ChargeAuthorised": charge_events.ChargeAuthorised,
    "ChargeCompleted": charge_events.ChargeCompleted,
    "ChargeFailed": charge_events.ChargeFailed,
    "ChargeVoided": charge_events.ChargeVoided,
    "ChargeIntentCancelled": charge_events.ChargeIntentCancelled,
    "ChargeRefunding": charge_events.ChargeRefunding,
    "ChargeRefunded": charge_events.ChargeRefunded,
    "ChargeRefundFailed": charge_events.ChargeRefundFailed,
    "ChargePaidByHand": charge_events.ChargePaidByHand,
    "ChargeDisputed": charge_events.ChargeDisputed,
    "MembershipChanged": membership.MembershipChanged,
    "UserCreated": account_events.UserCreated,
    "UserUpdated": account_events.UserUpdated,
    "SignedIn": account_events.SignedIn,
    "SignInFailed": account_events.SignInFailed,
    "SignedOut": account_events.SignedOut,
    "PasswordChanged": account_events.PasswordChanged,
    "PasswordReset": account_events.PasswordReset,
    "TokenCreated": account_events.TokenCreated,
    "TokenRevoked": account_events.TokenRevoked,
    "EmailVerified": account_events.EmailVerified,
    "UserBanned": account_events.UserBanned,
    "UserUnbanned": account_events.UserUnbanned,
    "TicketTakenDown": account_events.TicketTakenDown,
    "RoleChanged": account_events.RoleChanged,
    "AccountClosed": account_events.AccountClosed,
    "WebhookEndpointRegistered": account_events.WebhookEndpointRegistered,
    "WebhookSecretRotated": account_events.WebhookSecretRotated,
    "WebhookEndpointDisabled": account_events.WebhookEndpointDisabled,
    "WebhookEndpointDeleted": account_events.WebhookEndpointDeleted,
}
NAMES = {event: name for name, event in EVENT_TYPES.items()}

# By stored name: from the first version to the second, from the second to the third, and so on.
UPCASTERS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], ...]] = {}


def version_of(name: str) -> int:
    """Return the version in which events of this name are written."""
    return FIRST_VERSION + len(UPCASTERS.get(name, ()))
