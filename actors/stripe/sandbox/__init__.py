"""A Stripe of our own, reached through the official SDK.

Read `payment_intent.py` (what an intent is), `operations.py` (what may happen to it), `change.py` (what is
written of it), `idempotency.py` (how a request is answered once and only once), `courier.py` (how it is announced),
then the two ledgers.
"""

from actors.stripe.sandbox.authentication import NothingToAuthenticateError
from actors.stripe.sandbox.courier import Courier
from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.http_client import SandboxHTTPClient
from actors.stripe.sandbox.ledger import Ledger, LedgerUnavailable
from actors.stripe.sandbox.memory_ledger import MemoryLedger
from actors.stripe.sandbox.mongo_ledger import MongoLedger
from actors.stripe.sandbox.sandbox import Sandbox

__all__ = [
    "Courier",
    "FaultPlan",
    "Ledger",
    "LedgerUnavailable",
    "MemoryLedger",
    "MongoLedger",
    "NothingToAuthenticateError",
    "Sandbox",
    "SandboxHTTPClient",
]
