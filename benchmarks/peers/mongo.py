"""The peer on the market's kind of database: FastAPI and MongoDB, the ticket taken with a compare-and-set.

Built by `build` for uvicorn; PEER_DATABASE and PEER_KEY say where its database is and what signs
sessions. Without transactions the order follows the ticket, as such shops do it.
"""

import os
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from pymongo import AsyncMongoClient

from benchmarks.peers.shop import Order, Ticket, add_routes, checked, new_order, order_created, refused

_FIELDS = ("seller_id", "title", "price", "currency", "status", "version")


class MongoStore:
    """Tickets and orders in MongoDB; see shop.Store."""

    def __init__(self, url: str) -> None:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, w="majority", journal=True)
        self._database = client.get_default_database()

    async def reserve(self, ticket_id: str, buyer_id: str, expected_price: int | None) -> Order:
        """Read, take it if it is still as it was read, then write the order and its announcement.

        update_one, since find_one_and_update makes 25 a second on the embedded database (measured).
        """
        database = self._database
        found = await database["tickets"].find_one({"_id": ticket_id})
        ticket = checked(_ticket(found) if found else None, buyer_id, expected_price)
        order = new_order(ticket, buyer_id)
        taken = await database["tickets"].update_one(
            {"_id": ticket.id, "status": "available", "version": ticket.version},
            {"$set": {"status": "reserved", "order_id": order.id}, "$inc": {"version": 1}},
        )
        if taken.modified_count != 1:
            raise refused(HTTPStatus.CONFLICT, "Somebody else holds this ticket.")
        document = asdict(order)
        await database["orders"].insert_one({"_id": document.pop("id"), "status": "created", **document})
        await database["outbox"].insert_one({"event": orjson.loads(order_created(order))})
        return order


def _ticket(document: dict[str, Any]) -> Ticket:
    return Ticket(document["_id"], *(document[name] for name in _FIELDS))


def build() -> FastAPI:
    """The shop."""
    app = FastAPI(openapi_url=None)
    add_routes(app, MongoStore(os.environ["PEER_DATABASE"]), os.environ["PEER_KEY"])
    return app
