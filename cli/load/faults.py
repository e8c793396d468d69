"""Faults of the sandbox while a load runs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.storage.database import connect, database_of
from actors.storage.sandbox_ledger import MongoLedger
from actors.stripe.sandbox import FaultPlan, LedgerUnavailable
from cli.load.errors import LoadError
from cli.load.http_sessions import PATIENCE_SECONDS, PAUSE_SECONDS
from cli.running_market import PATIENCE_MS
from config.settings import Settings


@asynccontextmanager
async def sandbox_faults(settings: Settings, each: float, seed: int) -> AsyncIterator[None]:
    """The sandbox has each of its faults with this probability while the context lasts. Raises LoadError."""
    if not each:
        yield
        return
    if not settings.sandbox_payments:
        raise LoadError("faults are for the sandbox: this market is paid through Stripe (unset STRIPE_KEY)")
    faults = FaultPlan(
        lost_answer=each, delay=each, conflict=each, rate_limit=each, server_error=each, connection_reset=each,
        duplicate_webhook=each, reorder_webhook=each, seed=seed,
    )  # fmt: skip
    async with connect(str(settings.mongodb_url), patience_ms=PATIENCE_MS) as client:
        ledger = MongoLedger(database_of(client))
        await _set_faults(ledger, faults)
        try:
            yield
        finally:
            await _set_faults(ledger, None)


async def _set_faults(ledger: MongoLedger, faults: FaultPlan | None) -> None:
    """A database under load may need more than one question."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await ledger.set_faults(faults)
        except LedgerUnavailable:
            if time.monotonic() > deadline:
                wanted = (
                    "on"
                    if faults
                    else "off: run `holdfast load purchases-under-faults --faults 0.01 --purchases 1` to have that done"
                )
                raise LoadError(f"the database does not answer, so the faults could not be turned {wanted}") from None
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
