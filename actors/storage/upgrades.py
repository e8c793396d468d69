"""What a release changes in stored data is brought over: documents in the background, email keys before people come.

The collection `upgrades` says what is done. Everything here may be done twice, by two processes at once, and again
after a crash in the middle.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from itertools import repeat

import structlog
from pymongo.errors import DuplicateKeyError

from actors.domain.codec import Document
from actors.read_model.projections import PROJECTIONS, readable, update_of
from actors.runtime.ports import DocumentStore, StoreUnavailableError
from actors.runtime.retry import retry
from actors.storage.database import Database, despite_contention, reaching_the_database
from actors.storage.user_flags import EMAIL_RULE, email_key

PAGE = 200
# Between two pages, so that people hardly notice: about 700 documents a second.
PAUSE_SECONDS = 0.2
RETRY_SECONDS = 60.0
PROGRESS_PAGES = 100

logger = structlog.get_logger(__name__)


class DocumentUpgrade:
    """Writes documents anew that an older release wrote, a page at a time. A duty of the Supervisor.

    The Supervisor is the last actor to be renewed: all that write documents are of its release by then. One of an
    older release finds nothing to do and notes itself, so that the next newer one looks again.
    """

    def __init__(
        self,
        database: Database,
        documents: DocumentStore,
        projections: Mapping[str, int] = PROJECTIONS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._database = database
        self._documents = documents
        self._projections = projections
        self._pause_seconds = pause_seconds

    async def run(self) -> None:
        """Bring everything over, and rest."""
        await retry(self.bring_over, StoreUnavailableError, repeat(RETRY_SECONDS), _postponed)
        await asyncio.Event().wait()

    async def bring_over(self) -> None:
        """Rewrite what is older, unless the last Supervisor was of this release. Raises StoreUnavailableError."""
        await watch_who_may_not_sell(self._database)
        done = self._database["upgrades"]
        with reaching_the_database():
            last = await done.find_one({"_id": "documents"}) or {}
        for collection, projection in self._projections.items():
            if last.get(collection) != projection:
                await self._rewrite(collection, projection)
        with reaching_the_database():
            await _note(self._database, "documents", self._projections)

    async def _rewrite(self, collection: str, projection: int) -> None:
        # One cursor from beginning to end: where no index helps, each query would read the whole collection.
        older = self._database[collection].find({"projection": {"$not": {"$gte": projection}}}, {"_id": 1})
        looked_at, pages = 0, 0
        while True:
            with reaching_the_database():
                ids = [found["_id"] for found in await older.to_list(PAGE)]
                stored = await self._database[collection].find({"_id": {"$in": ids}}).to_list() if ids else []
            if not ids:
                break
            await self._documents.write(readable(lambda one: update_of(collection, one), stored))
            looked_at, pages = looked_at + len(ids), pages + 1
            if pages % PROGRESS_PAGES == 0:
                logger.info("documents_upgrading", collection=collection, documents=looked_at)
            await asyncio.sleep(self._pause_seconds)
        if looked_at:
            logger.info("documents_upgraded", collection=collection, documents=looked_at, projection=projection)


def _postponed(error: Exception) -> None:
    logger.warning("documents_upgrade_postponed", error=str(error))


async def watch_who_may_not_sell(database: Database) -> None:
    """Have the tickets of all who are banned or gone looked at once more: held and sold ones get their flag.

    The first release forgot such sellers an hour after their last ticket for sale, and marked no ticket. By the time of
    the ban nobody is looked at for another hour, so that thousands do not hold up the bans of today. Raises
    StoreUnavailableError.
    """
    done, users = database["upgrades"], database["users"]
    forgotten = {"$or": [{"banned_at": {"$gt": 0}}, {"closed_at": {"$gt": 0}}], "unlisted_since": {"$exists": False}}
    with reaching_the_database():
        if await done.find_one({"_id": "unlisted_sellers"}) is not None:
            return
        watched = 0
        async for user in users.find(forgotten, {"banned_at": 1, "closed_at": 1}):
            # A ban may have been lifted since it was read, or another one begun.
            same = {**user, "unlisted_since": {"$exists": False}}
            since = max(user.get("banned_at", 0), user.get("closed_at", 0))
            flag = {"$set": {"unlisted_since": since}}
            watched += (await despite_contention(partial(users.update_one, same, flag))).modified_count
        await _note(database, "unlisted_sellers", {})
    logger.info("unlisted_sellers_watched", accounts=watched)


async def convert_email_keys(database: Database) -> None:
    """Give every account the key that today's rule makes of its address; to be done before anybody signs in.

    An account whose key another one has keeps its own, by which nobody finds it, and is logged: an operator decides
    which of the two stays. Raises StoreUnavailableError.
    """
    done, users = database["upgrades"], database["users"]
    with reaching_the_database():
        if await done.find_one({"_id": "email_keys", "rule": {"$gte": EMAIL_RULE}}) is not None:
            return
        converted = 0
        async for user in users.find({"email": {"$exists": True}}, {"email": 1, "email_key": 1}):
            key = email_key(user["email"])
            if key != user["email_key"]:
                converted += await _convert(database, user, key)
        await _note(database, "email_keys", {"rule": EMAIL_RULE})
    if converted:
        logger.info("email_keys_converted", accounts=converted)


async def _convert(database: Database, user: Document, key: str) -> int:
    users = database["users"]
    try:
        # The address may have gone, or the key been converted, since it was read.
        same = {"_id": user["_id"], "email": user["email"], "email_key": user["email_key"]}
        change = {"$set": {"email_key": key}}
        return (await despite_contention(lambda: users.update_one(same, change))).modified_count
    except DuplicateKeyError:
        other = await users.find_one({"email_key": key}, {"_id": 1}) or {}
        logger.error("email_key_collision", user=user["_id"], other=other.get("_id"))
        return 0


async def _note(database: Database, step: str, up_to: Mapping[str, int]) -> None:
    note = {"_id": step, **up_to}
    await despite_contention(lambda: database["upgrades"].replace_one({"_id": step}, note, upsert=True))
