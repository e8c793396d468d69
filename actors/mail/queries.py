"""What letters are made of, read from the documents."""

from collections.abc import Mapping, Sequence

from actors.mail.sender import Recipient, Sale
from actors.read_model.projections import order_of, readable, ticket_of
from actors.storage.database import Database, reaching_the_database


class StoredMailQueries:
    """Satisfies `MailQueries`, with one query a collection."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]
        self._orders = database["orders"]
        self._tickets = database["tickets"]

    async def recipients(self, user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return those who have an account that is not closed, by id. Raises StoreUnavailableError."""
        if not user_ids:
            return {}
        wanted = {"_id": {"$in": list(user_ids)}, "closed_at": None}
        with reaching_the_database():
            found = await self._users.find(wanted, {"email": 1, "email_key": 1}).to_list()
        return {user["_id"]: Recipient(user["_id"], user["email"], user["email_key"]) for user in found}

    async def sales(self, order_ids: Sequence[str]) -> Mapping[str, Sale]:
        """Return orders with the details of their tickets, by order. Raises StoreUnavailableError."""
        if not order_ids:
            return {}
        with reaching_the_database():
            orders = readable(order_of, await self._orders.find({"_id": {"$in": list(order_ids)}}).to_list())
            wanted = {"_id": {"$in": [order.ticket_id for order in orders]}}
            found = readable(ticket_of, await self._tickets.find(wanted).to_list())
        tickets = {ticket.id: ticket for ticket in found}
        return {
            order.id: Sale(order, tickets[order.ticket_id].details) for order in orders if order.ticket_id in tickets
        }
