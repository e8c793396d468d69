"""What the actors read: stored entities by id, a buyer's open orders, and orders as the journal has them."""

from collections.abc import Collection

from actors.domain.messages import Charge, Instant, Order, TicketCreated, TicketUpdated, TicketWithdrawn
from actors.domain.ticket import Ticket
from actors.projections import charge_of, order_of, ticket_of
from actors.storage.database import Database, reaching_the_database
from actors.storage.journal import MongoJournal
from actors.tickets import order_key


class Queries:
    """Queries over documents. All raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._tickets = database["tickets"]
        self._orders = database["orders"]
        self._charges = database["charges"]
        self._journal = MongoJournal(database)

    async def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        with reaching_the_database():
            found = await self._tickets.find({"_id": {"$in": list(ids)}}).to_list()
        return {document["_id"]: ticket_of(document) for document in found}

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        with reaching_the_database():
            found = await self._orders.find({"_id": {"$in": list(ids)}}).to_list()
        return {document["_id"]: order_of(document) for document in found}

    async def charges(self, ids: Collection[str]) -> dict[str, Charge]:
        with reaching_the_database():
            found = await self._charges.find({"_id": {"$in": list(ids)}}).to_list()
        return {document["_id"]: charge_of(document) for document in found}

    async def open_orders_of(self, buyer_ids: Collection[str]) -> list[Order]:
        """The orders with which these buyers hold tickets now."""
        wanted = {"buyer_id": {"$in": list(buyer_ids)}, "due_at": {"$exists": True}}
        with reaching_the_database():
            return [order_of(document) for document in await self._orders.find(wanted).to_list()]

    async def orders_due(self, after: Instant, before: Instant, most: int) -> list[Order]:
        """The open orders whose time ends in [after, before), the earliest first."""
        with reaching_the_database():
            found = (
                await self._orders.find({"due_at": {"$gte": after, "$lt": before}})
                .sort("due_at", 1)
                .limit(most)
                .to_list()
            )
        return [order_of(document) for document in found]

    async def orders_in_journal(self, ids: Collection[str]) -> dict[str, Order]:
        """The orders that ever came into being, as the newest event tells, also where no document does yet."""
        commits = await self._journal.owning({order_key(order_id) for order_id in ids})
        known = {
            order.id: order
            for commit in commits
            for record in commit.records
            if (order := _order_in(record.event)) is not None and order.id in ids
        }
        for order_id, order in (await self.orders(known)).items():
            if order.version >= known[order_id].version:
                known[order_id] = order
        return known

    async def taken(self, keys: Collection[str]) -> set[str]:
        """Those of the journal's keys that some commit owns."""
        return await self._journal.taken(keys)

    async def charges_of(self, order_id: str) -> list[Charge]:
        """All attempts to pay an order, in order."""
        with reaching_the_database():
            found = await self._charges.find({"order_id": order_id}).to_list()
        return sorted((charge_of(document) for document in found), key=lambda charge: charge.attempt)

    async def standing_still(self, since: Instant, most: int) -> set[str]:
        """The orders that are being paid, or whose charge is open, and that nothing happened to since the instant."""
        with reaching_the_database():
            orders = await self._orders.find({"awaiting_since": {"$lt": since}}, {"_id": 1}).limit(most).to_list()
            charges = await self._charges.find({"open_since": {"$lt": since}}, {"order_id": 1}).limit(most).to_list()
        return {order["_id"] for order in orders} | {charge["order_id"] for charge in charges}


def _order_in(event: object) -> Order | None:
    if isinstance(event, (TicketCreated, TicketUpdated, TicketWithdrawn)):
        return None
    return getattr(event, "order", None)
