"""Reading the ledgers: every order and charge of the database, and Stripe's own lists, some hundred at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from actors.domain.charge_values import Charge
from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.domain.keys import order_key
from actors.domain.ticket_events import OrderCreated
from actors.domain.ticket_values import Order, OrderStatus
from actors.payments.reconciliation import Ledgers, ReconciliationReport, Violation, check
from actors.read_model.projections import charge_of, order_of
from actors.runtime.ports import Clock
from actors.storage.database import Database, reaching_the_database
from actors.storage.journal import MongoJournal
from actors.storage.stripe_lists import PAGE, StripeLists
from actors.stripe.client import Stripe
from actors.stripe.resources import Intent

# The market goes on while its ledgers are read, so what looks wrong is looked at again: so many orders, as each of them
# takes some calls to Stripe.
LOOKS = 3
PAUSE_SECONDS = 2.0
LOOKED_AT_AGAIN = 500
# What is recorded as done happened at Stripe before, so only what is newer than the reading is of two times; clocks of
# hosts are not further apart than this, in ms.
MARGIN = 100


async def reconcile(
    database: Database, stripe: Stripe, clock: Clock, *, pause_seconds: float = PAUSE_SECONDS, margin: int = MARGIN
) -> ReconciliationReport:
    """Return the report on the ledgers, with the violations that were there at every look.

    Raises StoreUnavailableError and errors.StripeFailure.
    """
    with StripeLists() as lists:
        reader = _Reader(database, stripe, clock, lists, read_since=clock.now() - margin)
        report = await reader.everything()
        for _ in range(LOOKS - 1):
            orders = {each.order_id for each in report.violations if each.order_id is not None}
            if not orders or len(orders) > LOOKED_AT_AGAIN:
                break
            await asyncio.sleep(pause_seconds)
            again = await reader.again(orders)
            report.violations = {each for each in report.violations if each.order_id is None or each in again}
        return report


class _Reader:
    def __init__(
        self, database: Database, stripe: Stripe, clock: Clock, lists: StripeLists, *, read_since: Instant
    ) -> None:
        self._database = database
        self._stripe = stripe
        self._clock = clock
        self._lists = lists
        self._read_since = read_since

    async def everything(self) -> ReconciliationReport:
        """Stripe first: what it has, we know of."""
        report, lists = ReconciliationReport(), self._lists
        await lists.fill(self._stripe)
        async for documents in self._pages("orders"):
            orders = [order_of(document) for document in documents]
            charges = await self._charges({"order_id": {"$in": [order.id for order in orders]}})
            fees = await self._fees([order.id for order in orders])
            report.add(self._check(orders, charges, lists.intents_of([order.id for order in orders]), fees))
            report.violations |= await self._sold_twice(orders)
        for intents in lists.rest():
            charges = await self._charges({"_id": {"$in": [intent.metadata["chargeId"] for intent in intents]}})
            report.add(self._check([], charges, intents, {}))
        report.foreign_intents = lists.foreign_intents
        report.violations |= await self._charges_without_orders()
        gaps = await MongoJournal(self._database).with_gaps()
        report.add(check(Ledgers({}, {}, [], [], [], with_gaps=gaps), self._clock.now()))
        return report

    async def again(self, order_ids: Collection[str]) -> set[Violation]:
        """What is still wrong with these orders, as Stripe has their payments now."""
        with reaching_the_database():
            found = await self._database["orders"].find({"_id": {"$in": list(order_ids)}}).to_list()
        charges = await self._charges({"order_id": {"$in": list(order_ids)}})
        ids = {charge.stripe_id for charge in charges.values() if charge.stripe_id is not None}
        ids |= {intent.id for intent in self._lists.intents_of(order_ids)}
        intents = [await self._stripe.retrieve(one) for one in sorted(ids)]
        refunds = [refund for one in sorted(ids) for refund in await self._stripe.refunds_of(one)]
        disputes = [dispute for one in sorted(ids) for dispute in await self._stripe.disputes_of(one)]
        orders = {document["_id"]: order_of(document) for document in found}
        ledgers = Ledgers(orders, charges, intents, refunds, disputes, await self._fees(orders))
        return check(ledgers, self._clock.now()).violations

    def _check(
        self, orders: Sequence[Order], charges: dict[str, Charge], intents: Sequence[Intent], fees: Mapping[str, int]
    ) -> ReconciliationReport:
        refunds, disputes = self._lists.refunds_of(intents), self._lists.disputes_of(intents)
        ledgers = Ledgers({order.id: order for order in orders}, charges, intents, refunds, disputes, fees)
        return check(ledgers, self._clock.now(), read_since=self._read_since)

    async def _fees(self, order_ids: Collection[str]) -> dict[str, int]:
        """What the fees of these orders were when they came into being."""
        commits = await MongoJournal(self._database).commits_with_keys({order_key(order_id) for order_id in order_ids})
        events = (record.event for commit in commits for record in commit.records)
        return {event.order.id: event.order.fee for event in events if isinstance(event, OrderCreated)}

    async def _charges(self, wanted: Document) -> dict[str, Charge]:
        with reaching_the_database():
            return {document["_id"]: charge_of(document) async for document in self._database["charges"].find(wanted)}

    async def _sold_twice(self, orders: Sequence[Order]) -> set[Violation]:
        """The tickets of these orders that another order has bought too."""
        sold = [order.ticket_id for order in orders if order.status is OrderStatus.COMPLETE]
        wanted = {"by_live_ticket": {"$in": sold}, "status": OrderStatus.COMPLETE.value}
        with reaching_the_database():
            found = await self._database["orders"].find(wanted, {"ticket_id": 1}).to_list() if sold else []
        times = Counter(document["ticket_id"] for document in found)
        return {Violation("a ticket is sold once", ticket_id) for ticket_id, count in times.items() if count > 1}

    async def _charges_without_orders(self) -> set[Violation]:
        missing: set[Violation] = set()
        async for documents in self._pages("charges", {"order_id": 1}):
            known = await self._known_orders({document["order_id"] for document in documents})
            missing |= {
                Violation("every charge has its order", document["_id"], document["order_id"])
                for document in documents
                if document["order_id"] not in known
            }
        return missing

    async def _known_orders(self, order_ids: Collection[str]) -> set[str]:
        with reaching_the_database():
            found = self._database["orders"].find({"_id": {"$in": list(order_ids)}}, {"_id": 1})
            return {document["_id"] async for document in found}

    async def _pages(self, collection: str, fields: Document | None = None) -> AsyncIterator[list[Document]]:
        page: list[Document] = []
        with reaching_the_database():
            async for document in self._database[collection].find({}, fields, batch_size=PAGE):
                page.append(document)
                if len(page) == PAGE:
                    yield page
                    page = []
        if page:
            yield page
