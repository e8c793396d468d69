"""What the actors read: stored entities by id, a buyer's open orders, and orders as the journal has them."""

import asyncio
from collections.abc import Collection, Iterable, Sequence

from pymongo.asynchronous.collection import AsyncCollection

from actors.domain.charge_events import ChargeCreated
from actors.domain.charge_values import Charge
from actors.domain.codec import Document, archive_of, event_name
from actors.domain.instants import Instant
from actors.domain.keys import edit_key, order_key, request_key
from actors.domain.ticket import Ticket
from actors.domain.ticket_events import TicketEvent, TicketUpdated, order_in
from actors.domain.ticket_values import Order, OrderStatus
from actors.read_model.projections import charge_of, order_of, readable, ticket_of, unpaid_hold_keys
from actors.runtime.ports import Commit, RecordedEvent
from actors.storage.database import Database, reaching_the_database
from actors.storage.journal import MongoJournal
from holdfast.batch_loader import BatchLoader


class MongoEntities:
    """Reads tickets, orders, charges and users for the actors. All raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._tickets = database["tickets"]
        self._orders = database["orders"]
        self._charges = database["charges"]
        self._users = database["users"]
        self._journal = MongoJournal(database)
        self._order = BatchLoader(self._orders_of)
        self._attempts = BatchLoader(self._attempts_of)

    async def tickets(self, ids: Collection[str]) -> dict[str, Ticket]:
        # One that this release cannot read is as if it were not there: then the journal says what it is.
        with reaching_the_database():
            found = await self._tickets.find({"_id": {"$in": list(ids)}}).to_list()
        return {ticket.id: ticket for ticket in readable(ticket_of, found)}

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        with reaching_the_database():
            found = await self._orders.find({"_id": {"$in": list(ids)}}).to_list()
        return {order.id: order for order in readable(order_of, found)}

    async def order(self, order_id: str) -> Order | None:
        """The stored order, asked for together with those that others ask for now."""
        return await self._order(order_id)

    async def _orders_of(self, ids: Sequence[str]) -> list[Order | None]:
        found = await self.orders(ids)
        return [found.get(order_id) for order_id in ids]

    async def charges(self, ids: Collection[str]) -> dict[str, Charge]:
        with reaching_the_database():
            found = await self._charges.find({"_id": {"$in": list(ids)}}).to_list()
        return {charge.id: charge for charge in readable(charge_of, found)}

    async def unpaid_holds_of(self, buyer_ids: Collection[str], now: Instant) -> list[Order]:
        """The orders that hold tickets for these buyers, and those that ended unpaid within an hour or two."""
        wanted = {"by_unpaid_hold": {"$in": unpaid_hold_keys(buyer_ids, now)}}
        with reaching_the_database():
            return readable(order_of, await self._orders.find(wanted).to_list())

    async def may_buy(self, user_ids: Collection[str], *, verified: bool) -> frozenset[str]:
        """Those of the users who are neither banned nor gone, with `verified` only those with a verified address."""
        wanted: Document = {"_id": {"$in": list(user_ids)}, "banned_at": None, "closed_at": None}
        if verified:
            wanted["verified_at"] = {"$gt": 0}
        with reaching_the_database():
            return frozenset([user["_id"] for user in await self._users.find(wanted, {"_id": 1}).to_list()])

    async def orders_due(self, after: Instant, before: Instant, most: int) -> list[Order]:
        """The open orders whose time ends in [after, before), the earliest first."""
        with reaching_the_database():
            found = (
                await self._orders.find({"due_at": {"$gte": after, "$lt": before}})
                .sort("due_at", 1)
                .limit(most)
                .to_list()
            )
        return readable(order_of, found)

    async def orders_in_journal(self, ids: Collection[str]) -> dict[str, Order]:
        """The orders that ever came into being, as the newest event tells, also where no document does yet."""
        commits = await self._journal.commits_with_keys({order_key(order_id) for order_id in ids})
        known = {
            order.id: order
            for commit in commits
            for record in commit.records
            if isinstance(record.event, TicketEvent)
            if (order := order_in(record.event)) is not None and order.id in ids
        }
        # Of an order whose beginning is archived the document alone is left.
        taken = {key for commit in commits for key in commit.keys}
        for order_id, order in (await self.orders([one for one in ids if order_key(one) in taken])).items():
            if order_id not in known or order.version >= known[order_id].version:
                known[order_id] = order
        return {order.id: order for order in await self._followed(known.values(), commits)}

    async def orders_read_as_open(self, ids: Collection[str]) -> list[Order]:
        """How those of the orders were cancelled whose documents still have them as open."""
        behind = [order for order in (await self.orders(ids)).values() if order.is_open]
        created = await self._journal.commits_with_keys({order_key(order.id) for order in behind})
        followed = await self._followed(behind, created)
        return [order for order in followed if order.status is OrderStatus.CANCELLED]

    async def _followed(self, orders: Iterable[Order], created: Sequence[Commit]) -> list[Order]:
        """The orders as the newest event tells; the beginnings of all are in these commits."""
        return await asyncio.gather(*(self._newest(order, created) for order in orders))

    async def _newest(self, order: Order, created: Sequence[Commit]) -> Order:
        entity, key, newest = f"ticket:{order.ticket_id}", order_key(order.id), order
        if not order.is_open:
            return order
        records = [one for commit in created if key in commit.keys for one in commit.records if one.entity == entity]
        while records:
            for record in records:
                changed = order_in(record.event) if isinstance(record.event, TicketEvent) else None
                if changed is not None and changed.id == order.id and changed.version >= newest.version:
                    newest = changed
            if newest.status is OrderStatus.CANCELLED:
                break
            records = await self._journal.history(entity, max(record.version for record in records))
        return newest

    async def edits_in_journal(self, ids: Collection[str]) -> dict[str, str]:
        """The edits that took effect, each with the id of the ticket that it changed.

        Of an archived edit it is one of the tickets that were edited in its turn: all of them have ended.
        """
        commits = await self._journal.commits_with_keys({edit_key(edit_id) for edit_id in ids})
        found: dict[str, str] = {}
        for commit in commits:
            archived = [edit_id for edit_id in ids if edit_key(edit_id) in commit.keys]
            found |= {edit_id: one.entity_id for edit_id in archived for one in _archived(commit, "TicketUpdated")}
            for record in commit.records:
                if isinstance(record.event, TicketUpdated) and (edit_id := record.event.edit_id) and edit_id in ids:
                    found[edit_id] = record.entity_id
        return found

    async def orders_of_requests(self, requests: Collection[str]) -> dict[str, str]:
        """The order that each client's key was first used to pay."""
        commits = await self._journal.commits_with_keys({request_key(request) for request in requests})
        events = (record.event for commit in commits for record in commit.records)
        created = [event.charge for event in events if isinstance(event, ChargeCreated)]
        archived = [record.entity_id for commit in commits for record in _archived(commit, "ChargeCreated")]
        created += (await self.charges(archived)).values() if archived else ()
        return {charge.request: charge.order_id for charge in created if charge.request and charge.request in requests}

    async def charges_of(self, order_id: str) -> list[Charge]:
        """All attempts to pay an order, in order."""
        return await self._attempts(order_id)

    async def _attempts_of(self, order_ids: Sequence[str]) -> list[list[Charge]]:
        found = await self.charges_by_order(order_ids)
        return [found[order_id] for order_id in order_ids]

    async def charges_by_order(self, order_ids: Collection[str]) -> dict[str, list[Charge]]:
        """All attempts to pay each of the orders, in order."""
        with reaching_the_database():
            found = await self._charges.find({"order_id": {"$in": list(order_ids)}}).to_list()
        attempts: dict[str, list[Charge]] = {order_id: [] for order_id in order_ids}
        for charge in sorted(readable(charge_of, found), key=lambda charge: charge.attempt):
            attempts[charge.order_id].append(charge)
        return attempts

    async def orders_of_intents(self, intent_ids: Collection[str]) -> dict[str, str]:
        """The id of the order that each of Stripe's intents is to pay, where we know the intent."""
        with reaching_the_database():
            found = await self._charges.find(
                {"stripe_id": {"$in": list(intent_ids)}}, {"stripe_id": 1, "order_id": 1}
            ).to_list()
        return {document["stripe_id"]: document["order_id"] for document in found}

    async def unsettled_orders(self, before: Instant, skip: int, most: int) -> list[str]:
        """Orders whose money is on the way and that nothing happened to since `before`, the longest first."""
        found = await self._since(self._orders, "unsettled_since", {"$lt": before}, skip, most)
        return [document["_id"] for document in found]

    async def orders_of_unsettled_charges(self, before: Instant, skip: int, most: int) -> list[str]:
        """Orders with a charge that Stripe may hold money for and that nothing happened to since `before`."""
        found = await self._since(self._charges, "unsettled_since", {"$lt": before}, skip, most)
        return [document["order_id"] for document in found]

    async def orders_of_payable_charges(self, after: Instant, before: Instant, skip: int, most: int) -> list[str]:
        """Orders with a charge that failed in [after, before) and whose intent may still be paid, the oldest first."""
        found = await self._since(self._charges, "by_payable_since", {"$gte": after, "$lt": before}, skip, most)
        return [document["order_id"] for document in found]

    async def _since(
        self, collection: AsyncCollection[Document], field: str, instants: Document, skip: int, most: int
    ) -> list[Document]:
        with reaching_the_database():
            return await (
                collection.find({field: instants}, {"order_id": 1}).sort(field, 1).skip(skip).limit(most).to_list()
            )


def _archived(commit: Commit, name: str) -> list[RecordedEvent]:
    """The events of this name of which no more than the name is left."""
    return [one for one in commit.records if archive_of(one.event) and event_name(one.event) == name]
