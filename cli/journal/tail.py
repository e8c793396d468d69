"""``holdfast journal tail``: the events of all entities as they are published.

The journal has no index on time, so they come from the event stream; what the stream does not have any more comes from
the journal, writer by writer.
"""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from actors.domain.instants import Instant
from actors.events.journal_history import JournalHistory
from actors.storage.archive_files import is_archived_since
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.database import connect, database_of, reaching_the_database
from actors.storage.journal import MongoJournal
from actors.storage.user_flags import MongoChangedUsers
from cli.market_redis import open_redis
from cli.running_market import PATIENCE_MS, with_database
from config.settings import Settings
from holdfast import events
from holdfast.events.event import Event
from serve_app.http.timestamps import instant_of, iso

_AGO = re.compile(r"([0-9]{1,9})([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def instant_since(text: str) -> Instant:
    """Return the instant of `2026-11-28T12:00:00Z`, or of so long ago: `90s`, `10m`, `2h`, `1d`. Raises ValueError."""
    now = time.time_ns() // 1_000_000
    if ago := _AGO.fullmatch(text):
        return max(0, now - int(ago[1]) * _UNIT_MS[ago[2]])
    try:
        since = instant_of(text)
    except ValueError:
        raise ValueError(
            f"--since is a time with its zone, such as 2026-11-28T12:00:00Z, or how long ago: 90s, 10m, 2h or 1d; "
            f"not {text!r}"
        ) from None
    if since > now:
        raise ValueError(f"--since {text} is still to come")
    return since


async def follow(
    settings: Settings, since: Instant | None, show: Callable[[Event], None], warn: Callable[[str], None]
) -> None:
    """Show each event once as it is published, for ever, and before that those committed `since`.

    `warn` is told in a line when some are missing. Raises NotRunningError, RedisUnusableError and
    StoreUnavailableError.
    """
    async with open_redis(settings) as redis, _history(settings, since, warn) as history:
        deliver: events.Deliver = "new" if since is None else events.Since(since)
        async with (
            events.connect(redis=redis, client_id="journal-tail", history=history) as client,
            client.subscribe(">", deliver=deliver) as subscription,
        ):
            async for found in subscription:
                if isinstance(found, events.Gap):
                    warn("events may be missing here: Redis lost some. --since shows them again")
                else:
                    show(found.event)


def line_of(event: Event) -> str:
    """Return time, entity, version and name."""
    return f"{iso(event.time_ms)}  {event.entity}  {event.version}  {event.subject}"


@asynccontextmanager
async def _history(
    settings: Settings, since: Instant | None, warn: Callable[[str], None]
) -> AsyncIterator[JournalHistory | None]:
    if since is None:
        yield None  # what comes now needs no database
        return
    async with connect(str(with_database(settings).mongodb_url), patience_ms=PATIENCE_MS) as client:
        database = database_of(client)
        with reaching_the_database():
            await database.command("ping")
        if await is_archived_since(database, since):
            warn("events that are archived are missing here: `holdfast journal show ID` has those of one ticket")
        users = MongoChangedUsers(database)
        yield JournalHistory(MongoJournal(database), MongoCheckpoints(database), users, settings.public_url)
