"""The collection `reports`: listings that people say are wrong, until an administrator has looked at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from actors.domain.instants import Instant
from actors.storage.database import despite_contention, ensure_indexes
from actors.storage.page import Page

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What one person says is wrong with one ticket. `closed_by` is the administrator who has looked at it."""

    ticket_id: str
    user_id: str
    reason: str
    text: str | None
    at: Instant
    closed_by: str | None = None

    @property
    def id(self) -> str:
        """The ticket's id and the user's: each person reports a ticket once."""
        return f"{self.ticket_id}{self.user_id}"


class Reports:
    """Reads and writes reports. All methods raise pymongo's ConnectionFailure when the database does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._reports = database["reports"]

    async def create_indexes(self) -> None:
        """Index what is asked for: those of a user, and those that are open."""
        await ensure_indexes(
            self._reports, IndexModel([("user_id", ASCENDING)]), IndexModel([("by_open", ASCENDING)], sparse=True)
        )

    async def add(self, report: Report) -> bool:
        """Store a report durably; False when the person has reported the ticket before: the first one stands."""
        document = {
            "_id": report.id,
            "ticket_id": report.ticket_id,
            "user_id": report.user_id,
            "reason": report.reason,
            "text": report.text,
            "at": report.at,
            "by_open": f"{report.at:015d}{report.id}",
        }
        try:
            await despite_contention(lambda: self._reports.insert_one(document))
        except DuplicateKeyError:
            return False
        return True

    async def open(self, limit: int) -> Sequence[Report]:
        """Return reports that nobody has looked at, the oldest first."""
        found = await self._reports.find({"by_open": {"$gt": ""}}).sort("by_open", ASCENDING).limit(limit).to_list()
        return [_report(document) for document in found]

    async def close(self, report_id: str, admin_id: str) -> None:
        """Note who has looked at it; what was closed before stays as it is."""
        change = {"$set": {"closed_by": admin_id}, "$unset": {"by_open": ""}}
        await despite_contention(lambda: self._reports.update_one({"_id": report_id, "closed_by": None}, change))

    async def of_user(self, user_id: str, limit: int, after: str | None = None) -> Page[Report]:
        """Return what the user reported, by ticket."""
        wanted: Document = {"user_id": user_id}
        if after is not None:
            wanted["_id"] = {"$gt": after}
        found = await self._reports.find(wanted).sort("_id", ASCENDING).limit(limit + 1).to_list()
        reports = [_report(document) for document in found]
        return Page(reports[:limit], reports[limit - 1].id if len(reports) > limit else None)

    async def forget(self, user_id: str) -> None:
        """Delete what the user reported."""
        await despite_contention(lambda: self._reports.delete_many({"user_id": user_id}))


def _report(document: Document) -> Report:
    return Report(
        document["ticket_id"],
        document["user_id"],
        document["reason"],
        document.get("text"),
        document["at"],
        document.get("closed_by"),
    )
