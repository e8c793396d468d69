"""After the load, where the market's database can be reached: the books are checked, and the journal is asked."""

import asyncio
from typing import Any

from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import connect, database_of
from actors.storage.journal import HISTORY_BATCH, MongoJournal
from actors.storage.schema import UnusableDataError
from actors.stripe.errors import StripeFailure
from cli import verify
from cli.load.report.schema import ScaleEventView, VerificationView
from cli.running_market import PATIENCE_MS
from config.settings import Settings

# The entity whose versions are the changes of the market's members; a market that was never scaled has none.
MEMBERSHIP = "market:membership"
_SHOWN = (
    "ticket_actors", "order_actors", "payment_actors", "api_replicas", "ticket_placement", "reservation_seconds",
    "max_holds_per_buyer", "rate_limits",
)  # fmt: skip


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide what a market carries. None is a secret."""
    return {name: getattr(settings, name) for name in _SHOWN}


def verified(settings: Settings) -> VerificationView:
    """Return what ``holdfast verify`` finds. The database's address must be set."""
    try:
        found = asyncio.run(verify.report(settings))
    except (StoreUnavailableError, StripeFailure, UnusableDataError) as error:
        return {"state": "not done", "detail": f"the ledgers could not be read: {error}"}
    if found.violations:
        return {"state": "violated", "detail": f"{len(found.violations):,} violations; `holdfast verify` lists them"}
    return {"state": "agrees", "detail": f"{found.orders:,} orders and {found.charges:,} charges agree with Stripe"}


def scale_events(settings: Settings, began_at: float) -> list[ScaleEventView]:
    """Return the changes of the market's members since then (seconds of the wall clock); none if nobody can tell."""
    try:
        return asyncio.run(_scale_events(settings, began_at))
    except StoreUnavailableError:
        return []


async def _scale_events(settings: Settings, began_at: float) -> list[ScaleEventView]:
    found: list[ScaleEventView] = []
    version = 0
    async with connect(str(settings.mongodb_url), patience_ms=PATIENCE_MS) as client:
        journal = MongoJournal(database_of(client))
        while page := await journal.history(MEMBERSHIP, version):
            since = ((record.at / 1_000 - began_at, record.version) for record in page)
            found += [{"second": round(second, 2), "version": version} for second, version in since if second >= 0]
            version = page[-1].version
            if len(page) < HISTORY_BATCH:
                break
    return found
