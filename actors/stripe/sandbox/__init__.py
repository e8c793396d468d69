"""A Stripe of our own, reached through the official SDK.

Read `payment_intent.py` (what an intent is), `operations.py` (what may happen to it), `ledger_entry.py` (what is
written of it), `idempotency.py` (how a request is answered once and only once), `webhook_delivery.py` (how its events
are delivered), then the two ledgers.
"""

from actors.stripe.sandbox.authentication import NothingToAuthenticateError
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.http_client import SandboxHTTPClient
from actors.stripe.sandbox.ledger import Ledger, LedgerUnavailable
from actors.stripe.sandbox.memory_ledger import MemoryLedger
from actors.stripe.sandbox.sandbox import Sandbox
from actors.stripe.sandbox.webhook_delivery import WebhookDelivery

__all__ = [
    "FaultPlan",
    "Ledger",
    "LedgerUnavailable",
    "MemoryLedger",
    "NothingToAuthenticateError",
    "Sandbox",
    "SandboxHTTPClient",
    "WebhookDelivery",
]
