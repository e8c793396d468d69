"""Reading the books: every order and charge of the database, and Stripe's own lists."""

import asyncio

from actors.domain.messages import Charge, Order
from actors.projections import charge_of, order_of
from actors.runtime.ports import Clock
from actors.storage.database import Database, reaching_the_database
from actors.storage.journal import MongoJournal
from actors.stripe.client import Stripe
from actors.stripe.pages import collected
from actors.verification import Books, Report, check

# The market goes on while its books are read, so what looks wrong is looked at again.
LOOKS = 3
PAUSE_SECONDS = 2.0


async def verified(database: Database, stripe: Stripe, clock: Clock) -> Report:
    """The report on the books, with the violations that were there at every look.

    Raises StoreUnavailableError and errors.StripeFailure.
    """
    report = check(await read(database, stripe), clock.now())
    for _ in range(LOOKS - 1):
        if not report.violations:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        before = report.violations
        report = check(await read(database, stripe), clock.now())
        report.violations &= before
    return report


async def read(database: Database, stripe: Stripe) -> Books:
    """Everything that is compared. Stripe first: what it has, we know of."""
    intents = await collected(stripe.intents())
    refunds = await collected(stripe.refunds())
    disputes = await collected(stripe.disputes())
    gaps = await MongoJournal(database).with_gaps()
    return Books(await _orders(database), await _charges(database), intents, refunds, disputes, gaps)


async def _orders(database: Database) -> dict[str, Order]:
    with reaching_the_database():
        return {document["_id"]: order_of(document) async for document in database["orders"].find({})}


async def _charges(database: Database) -> dict[str, Charge]:
    with reaching_the_database():
        return {document["_id"]: charge_of(document) async for document in database["charges"].find({})}
