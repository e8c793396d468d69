"""Which Stripe the market is paid through: the real one with STRIPE_KEY, the sandbox without."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import Database
from actors.storage.sandbox_ledger import MongoLedger
from actors.stripe.client import Stripe, connect
from actors.stripe.sandbox import LedgerUnavailable, Sandbox, SandboxHTTPClient, WebhookDelivery
from actors.stripe.sandbox.endpoint import Endpoint
from config.settings import Settings

SANDBOX_KEY = "sk_test_holdfast_sandbox"
WEBHOOK_PATH = "/api/webhooks/stripe"


@dataclass(frozen=True, slots=True)
class Account:
    """The account to pay into. The sandbox's parts are there when its money is imaginary."""

    stripe: Stripe
    ledger: MongoLedger | None = None
    sandbox: Sandbox | None = None
    webhook_delivery: WebhookDelivery | None = None

    async def prepare(self) -> None:
        """To be awaited before the first payment. Raises StoreUnavailableError.

        An index is made before the first document comes: both at once are not safe with every server.
        """
        if self.ledger is not None:
            try:
                await self.ledger.create_indexes()
            except LedgerUnavailable as error:
                raise StoreUnavailableError("LedgerUnavailable") from error

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What is to run beside it: the sandbox announces what happened, as Stripe does by itself."""
        return [self.webhook_delivery.run()] if self.webhook_delivery else []


def open_account(settings: Settings, database: Database) -> Account:
    """The account of the settings; the sandbox's ledger is in our own database and survives every process."""
    if settings.stripe_key is not None:
        return Account(connect(api_key=settings.stripe_key.get_secret_value(), api_base=settings.stripe_api_base))
    ledger = MongoLedger(database)
    sandbox = Sandbox(ledger)
    # Every node of the market serves HTTP, so the webhook is next door.
    url = f"{settings.local_url}{WEBHOOK_PATH}"
    webhook_delivery = WebhookDelivery(sandbox, Endpoint(url, settings.webhook_secret.get_secret_value()))
    stripe = connect(api_key=SANDBOX_KEY, api_base=None, http_client=SandboxHTTPClient(sandbox))
    return Account(stripe, ledger, sandbox, webhook_delivery)


def open_sandbox(database: Database) -> Sandbox:
    """The sandbox that everybody on this database shares."""
    return Sandbox(MongoLedger(database))
