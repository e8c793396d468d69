"""Which tickets search engines are told of."""

import asyncio
from typing import Any

from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from actors.domain.instants import Instant
from actors.domain.ticket_values import TicketStatus

Document = dict[str, Any]
Entry = tuple[str, Instant]

# https://www.sitemaps.org/protocol.html: a file has at most 50,000 addresses; one is the front page's.
MOST = 49_999
# Between the reads the database answers others.
_AT_A_TIME = 1_000
_KEPT_MS = 600_000


class Sitemap:
    """Ids of tickets that are for sale, the newest first, with when they changed; read every ten minutes at most."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._tickets = database["tickets"]
        self._orders = database["orders"]
        self._reading = asyncio.Lock()
        self._entries: list[Entry] = []
        self._good_until: Instant = 0

    async def entries(self, now: Instant) -> list[Entry]:
        """Return them as they are or were less than ten minutes ago. Raises PyMongoError."""
        async with self._reading:
            if now >= self._good_until:
                self._entries = await self._read(now)
                self._good_until = now + _KEPT_MS
            return self._entries

    async def _read(self, now: Instant) -> list[Entry]:
        open_orders = await self._orders.find({"due_at": {"$gt": now}}, {"ticket_id": 1}).to_list()
        held = {order["ticket_id"] for order in open_orders}
        found: list[Entry] = []
        wanted: Document = {"status": TicketStatus.AVAILABLE.value}
        shown = {"updated_at": 1, "by_newest": 1, "details.starts_at": 1}
        while len(found) < MOST:
            documents = (
                await self._tickets.find(wanted, shown).sort("by_newest", DESCENDING).limit(_AT_A_TIME).to_list()
            )
            found += [
                (each["_id"], each["updated_at"])
                for each in documents
                if each["_id"] not in held and each.get("details", {}).get("starts_at", now + 1) > now
            ]
            if len(documents) < _AT_A_TIME:
                break
            wanted["by_newest"] = {"$lt": documents[-1]["by_newest"]}
        return found[:MOST]
