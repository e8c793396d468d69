"""What the operator is to pay by hand: refunds that failed of orders that are over, as the projections write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.charge_values import Charge
from actors.domain.ticket_values import Order, OrderStatus
from actors.read_model.projections import charge_of, order_of, readable
from actors.storage.page import Page

Document = dict[str, Any]

# Of sales that stand no money has to go back although a refund failed once; so many of those in a row end a page early.
_MOST_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class FailedRefund:
    """An order that is over, and its charge whose money is with us all the same."""

    order: Order
    charge: Charge


class FailedRefunds:
    """Reads the list. Raises pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._charges = database["charges"]
        self._orders = database["orders"]

    async def page(self, limit: int, after: str | None = None) -> Page[FailedRefund]:
        """Return the earliest failures first; the position is that of the last one that was looked at."""
        found: list[FailedRefund] = []
        looked_at = 0
        while looked_at < _MOST_LOOKED_AT:
            charges = await self._next(limit, after)
            looked_at += len(charges)
            over = await self._over([charge["order_id"] for charge in charges])
            for document in charges:
                after = document["by_failed_refund"]
                if document["order_id"] in over:
                    refunds = readable(charge_of, [document])
                    found += [FailedRefund(over[charge.order_id], charge) for charge in refunds]
                if len(found) == limit:
                    return Page(found, after)
            if len(charges) < limit:
                return Page(found)
        return Page(found, after)

    async def _next(self, limit: int, after: str | None) -> Sequence[Document]:
        wanted = {"by_failed_refund": {"$gt": after or ""}}
        return await self._charges.find(wanted).sort("by_failed_refund", ASCENDING).limit(limit).to_list()

    async def _over(self, order_ids: Sequence[str]) -> dict[str, Order]:
        wanted = {"_id": {"$in": list(order_ids)}, "status": OrderStatus.CANCELLED.value}
        found = await self._orders.find(wanted).to_list() if order_ids else []
        return {order.id: order for order in readable(order_of, found)}
