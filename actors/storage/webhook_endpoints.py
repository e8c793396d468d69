"""The collection `webhook_endpoints`: addresses that people registered, and who sends to them at the moment."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from actors.domain.codec import Document
from actors.domain.instants import Instant
from actors.storage.database import Database, despite_contention, ensure_indexes, reaching_the_database
from actors.storage.page import Page
from actors.webhooks.endpoint import Audience, DisabledReason, Endpoint


class WebhookEndpoints:
    """Reads and writes endpoints, and claims their lanes. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._endpoints = database["webhook_endpoints"]
        self._users = database["users"]
        self._tickets = database["tickets"]

    async def create_indexes(self) -> None:
        """Index the owners' lists and what is due: idle endpoints are in neither's way. Raises PyMongoError."""
        await ensure_indexes(
            self._endpoints,
            IndexModel([("owner_id", DESCENDING), ("by_newest", DESCENDING)]),
            IndexModel("due_at", sparse=True),
        )

    async def add(self, endpoint: Endpoint) -> bool:
        """Store a new endpoint; False when the id is there."""
        with reaching_the_database():
            try:
                await despite_contention(lambda: self._endpoints.insert_one(_document(endpoint)))
            except DuplicateKeyError:
                return False
        return True

    async def count(self, owner_id: str | None = None) -> int:
        """Return how many a user has, or how many there are."""
        with reaching_the_database():
            return await self._endpoints.count_documents({"owner_id": owner_id} if owner_id else {})

    async def by_id(self, endpoint_id: str) -> Endpoint | None:
        """Return the endpoint of the id."""
        with reaching_the_database():
            document = await self._endpoints.find_one({"_id": endpoint_id})
        return None if document is None else _endpoint(document)

    async def of_owner(self, owner_id: str, limit: int, after: str | None = None) -> Page[Endpoint]:
        """Return the user's endpoints, the newest first."""
        wanted: Document = {"owner_id": owner_id}
        if after is not None:
            wanted["by_newest"] = {"$lt": after}
        with reaching_the_database():
            found = await self._endpoints.find(wanted).sort("by_newest", DESCENDING).limit(limit + 1).to_list()
        more = found[limit - 1]["by_newest"] if len(found) > limit else None
        return Page([_endpoint(document) for document in found[:limit]], more)

    async def change(self, endpoint_id: str, values: Mapping[str, Any]) -> bool:
        """Set these fields, those that are None to nothing; False when there is no such endpoint."""
        gone = {name: "" for name, value in values.items() if value is None}
        there = {name: value for name, value in values.items() if value is not None}
        change = {operator: fields for operator, fields in (("$set", there), ("$unset", gone)) if fields}
        return await self._update({"_id": endpoint_id}, change)

    async def remove(self, endpoint_id: str) -> None:
        """Delete it; a repeat changes nothing."""
        with reaching_the_database():
            await despite_contention(lambda: self._endpoints.delete_one({"_id": endpoint_id}))

    async def active(self) -> list[Endpoint]:
        """Return all that something may be sent to."""
        with reaching_the_database():
            found = await self._endpoints.find({"disabled": {"$exists": False}}).to_list()
        return await self.entitled([_endpoint(document) for document in found])

    async def entitled(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Return those whose owners may have them: neither banned nor gone; for the whole market, administrators."""
        if not endpoints:
            return []
        owners = sorted({endpoint.owner_id for endpoint in endpoints})
        wanted = {"_id": {"$in": owners}, "banned_at": None, "closed_at": None}
        with reaching_the_database():
            found = await self._users.find(wanted, {"is_admin": 1}).to_list()
        is_admin = {user["_id"]: user.get("is_admin") is True for user in found}
        return [
            endpoint
            for endpoint in endpoints
            if endpoint.owner_id in is_admin and (endpoint.audience is Audience.SELLER or is_admin[endpoint.owner_id])
        ]

    async def sellers(self, ticket_ids: Collection[str]) -> dict[str, str]:
        """Return who sells these tickets, by ticket."""
        with reaching_the_database():
            found = await self._tickets.find({"_id": {"$in": sorted(ticket_ids)}}, {"seller_id": 1}).to_list()
        return {ticket["_id"]: ticket["seller_id"] for ticket in found}

    async def wake(self, endpoint_ids: Collection[str], now: Instant) -> None:
        """Note that there is something to send to these at once."""
        with reaching_the_database():
            which, change = {"_id": {"$in": sorted(endpoint_ids)}}, {"$min": {"due_at": now}}
            await despite_contention(lambda: self._endpoints.update_many(which, change))

    async def due(self, now: Instant, most: int) -> list[Endpoint]:
        """Return endpoints with something to send whose lanes nobody has, the longest due first."""
        with reaching_the_database():
            found = await self._endpoints.find({"due_at": {"$lte": now}}).sort("due_at", 1).limit(most).to_list()
        free = (document for document in found if document.get("claimed_until", 0) <= now)
        return [_endpoint(document) for document in free]

    async def claim(self, endpoint_ids: Sequence[str], claim: str, now: Instant, until: Instant) -> list[Endpoint]:
        """Take the lanes of those that nobody else took meanwhile, and return them.

        Their `due_at` becomes the end of the claim: then they are found again if who claimed them died.
        """
        mine = {"claim": claim, "claimed_until": until, "due_at": until}
        free = [{"claimed_until": {"$exists": False}}, {"claimed_until": {"$lte": now}}]
        which: Document = {"_id": {"$in": list(endpoint_ids)}}
        with reaching_the_database():
            await despite_contention(
                lambda: self._endpoints.update_many({**which, "due_at": {"$lte": now}, "$or": free}, {"$set": mine})
            )
            found = await self._endpoints.find(which).to_list()
        return [_endpoint(document) for document in found if document.get("claim") == claim]

    async def release(self, claimed: Endpoint, due_at: Instant | None) -> None:
        """Give the lane back. It is due at that instant, or when it was woken while it was claimed, whichever is first.

        Nothing happens when another dispatcher has it by now.
        """
        given_back: Document = {"claim": "", "claimed_until": ""}
        mine = {"_id": claimed.id, "claim": claimed.claim}
        change: Document = (
            {"$unset": {**given_back, "due_at": ""}}
            if due_at is None
            else {"$unset": given_back, "$set": {"due_at": due_at}}
        )
        # Who woke it meanwhile set another `due_at`, which then stays.
        if not await self._update({**mine, "due_at": claimed.due_at}, change):
            await self._update(mine, {"$unset": given_back})

    async def _update(self, which: Document, change: Mapping[str, Any]) -> bool:
        with reaching_the_database():
            result = await despite_contention(lambda: self._endpoints.update_one(which, change))
        return result.matched_count == 1


def _document(endpoint: Endpoint) -> Document:
    values = {name: value for name, value in asdict(endpoint).items() if value is not None and name != "id"}
    return {"_id": endpoint.id, "by_newest": f"{endpoint.created_at:015d}{endpoint.id}", **values}


def _endpoint(document: Document) -> Endpoint:
    values = {name: value for name, value in document.items() if name not in {"_id", "by_newest"}}
    values["events"] = tuple(values["events"])
    values["audience"] = Audience(values["audience"])
    if "disabled" in values:
        values["disabled"] = DisabledReason(values["disabled"])
    return Endpoint(id=document["_id"], **values)
