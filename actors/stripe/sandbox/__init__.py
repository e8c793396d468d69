"""A Stripe of our own, reached through the official SDK.

Read `payment_intent.py` (what an intent is), `operations.py` (what may happen to it), `sandbox.py` (how a request
is answered once and only once), then the two ledgers.
"""

from actors.stripe.sandbox.http_client import SandboxHTTPClient
from actors.stripe.sandbox.ledger import Ledger, LedgerUnavailable
from actors.stripe.sandbox.memory_ledger import MemoryLedger
from actors.stripe.sandbox.mongo_ledger import MongoLedger
from actors.stripe.sandbox.sandbox import Sandbox

__all__ = ["Ledger", "LedgerUnavailable", "MemoryLedger", "MongoLedger", "Sandbox", "SandboxHTTPClient"]
