"""What users are found by: their email address, and flags for what is still to be done about them."""

import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence

from email_validator import EmailNotValidError, validate_email

from actors.domain.ticket_values import TicketStatus
from actors.runtime.ports import Instant
from actors.storage.database import Database, despite_contention, reaching_the_database
from actors.supervision.user_events import PendingUser

_FIELDS = {"created_at": 1, "updated_at": 1, "version": 1, "announced_version": 1}

# Raised when `email_key` changes: then the keys of all accounts are made anew (see upgrades.py).
EMAIL_RULE = 2


def email_key(email: str) -> str:
    """Return what is the same for two spellings of one mailbox, and differs for two mailboxes.

    The domain is compared as the network does (IDNA 2008), the part before it in any case. Nothing is folded beyond
    that: `straße` and `strasse` are two people. An address that was taken before this rule has a key as well.
    """
    try:
        valid = validate_email(email, check_deliverability=False)
    except EmailNotValidError:
        return unicodedata.normalize("NFC", email.lower())
    return unicodedata.normalize("NFC", f"{valid.local_part.lower()}@{valid.ascii_domain.lower()}")


class MongoPendingUserEvents:
    """Flags of users with events to relay. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]

    async def pending(self, most: int) -> list[PendingUser]:
        """Users that have the flag."""
        with reaching_the_database():
            found = await self._users.find({"announced": False}, _FIELDS).limit(most).to_list()
        return [
            PendingUser(
                document["_id"],
                document["created_at"],
                document.get("updated_at") or document["created_at"],
                document["version"],
                document.get("announced_version") or 0,
            )
            for document in found
        ]

    async def mark_relayed(self, user: PendingUser) -> None:
        """Takes the flag away unless the user changed since."""
        known = {"_id": user.id, "version": user.version}
        with reaching_the_database():
            change = {"$unset": {"announced": ""}, "$set": {"announced_version": user.version}}
            await despite_contention(lambda: self._users.update_one(known, change))


class MongoChangedUsers:
    """Whose events the journal has of late; satisfies `ChangedUsers`."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]

    async def changed_since(self, at: Instant) -> AsyncIterator[str]:
        """Yield the ids of users who signed up or changed at this instant or later. Raises StoreUnavailableError.

        Users of whom an earlier release did not note when they changed are older than that.
        """
        with reaching_the_database():
            async for user in self._users.find({"updated_at": {"$gte": at}}, {"_id": 1}):
                yield user["_id"]


class DelistedSellers:
    """Users who may not sell; satisfies `DelistingStore`. All methods raise StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]
        self._tickets = database["tickets"]

    async def unlisted(self, most: int) -> Mapping[str, Instant]:
        """Users that have the flag, and since when."""
        with reaching_the_database():
            found = await self._users.find({"unlisted_since": {"$gt": 0}}, {"unlisted_since": 1}).limit(most).to_list()
        return {user["_id"]: user["unlisted_since"] for user in found}

    async def relisted(self, most: int) -> Mapping[str, Instant]:
        """Users who may sell again, and since when."""
        with reaching_the_database():
            found = await self._users.find({"relisted_since": {"$gt": 0}}, {"relisted_since": 1}).limit(most).to_list()
        return {user["_id"]: user["relisted_since"] for user in found}

    async def tickets(self, seller_id: str, most: int, *, suspended: bool) -> Sequence[str]:
        """Ids of the seller's tickets that are not withdrawn, flagged as suspended or not."""
        wanted = {
            "seller_id": seller_id,
            "status": {"$ne": TicketStatus.WITHDRAWN.value},
            # Tickets of the first release do not have the flag.
            "suspended": True if suspended else {"$ne": True},
        }
        with reaching_the_database():
            found = await self._tickets.find(wanted, {"_id": 1}).limit(most).to_list()
        return [ticket["_id"] for ticket in found]

    async def clear_delisted(self, user_id: str, since: Instant) -> None:
        """Takes the flag away if it is still the same."""
        await self._drop("unlisted_since", user_id, since)

    async def clear_relisted(self, user_id: str, since: Instant) -> None:
        """Takes the flag away if it is still the same."""
        await self._drop("relisted_since", user_id, since)

    async def _drop(self, flag: str, user_id: str, since: Instant) -> None:
        same, change = {"_id": user_id, flag: since}, {"$unset": {flag: ""}}
        with reaching_the_database():
            await despite_contention(lambda: self._users.update_one(same, change))
