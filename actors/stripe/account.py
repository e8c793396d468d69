"""Which Stripe the market is paid through: the real one with STRIPE_KEY, the sandbox without."""

from actors.storage.database import Database
from actors.stripe.client import Stripe, connect
from actors.stripe.sandbox import MongoLedger, Sandbox, SandboxHTTPClient
from config.settings import Settings

SANDBOX_KEY = "sk_test_holdfast_sandbox"


def open_account(settings: Settings, database: Database) -> Stripe:
    """The account to pay into; the sandbox's ledger is in our own database and survives every process."""
    if settings.stripe_key is not None:
        return connect(api_key=settings.stripe_key.get_secret_value(), api_base=settings.stripe_api_base)
    sandbox = SandboxHTTPClient(Sandbox(MongoLedger(database)))
    return connect(api_key=SANDBOX_KEY, api_base=None, http_client=sandbox)
