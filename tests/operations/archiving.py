"""Archiving commits of now in a market under test.

As a program it can be killed: `python -m tests.operations.archiving URL FOLDER BEFORE BYTES`.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, EditTicket, WithdrawTicket
from actors.storage.archive import Archive, Archived
from actors.storage.backup_files import documents_in
from actors.storage.database import Database, connect, database_of
from tests.support.eventually import eventually
from tests.support.examples import DETAILS, new_id
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, a_ticket, expect

DAY_MS = 86_400_000


async def archived(market: LocalMarket, folder: Path, **options: Any) -> Archived:  # noqa: ANN401 - those of Archive
    """What a run does when all that is there ended long ago and is relayed."""
    await market.writes_everything()
    await eventually(lambda: is_relayed(market))
    before = market.connections.clock.now() + DAY_MS
    return await Archive(market.connections.database, folder, before, **options).run()


async def is_relayed(market: LocalMarket) -> bool:
    relayed = {one.writer: min(one.applied, one.published) for one in await market.connections.checkpoints.all()}
    hosts = (market.tickets.host, market.charges.host)
    return all(relayed.get(host.writer, 0) >= host.counters.commits for host in hosts)


def files_in(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern))


async def withdrawn(market: LocalMarket, *, edit_id: str | None = None) -> str:
    """A ticket whose past has an edit and a hold that was let go."""
    creation = a_ticket()
    edit = EditTicket(creation.ticket_id, creation.seller_id, replace(DETAILS, price=6_000), edit_id or new_id())
    hold = a_hold(creation.ticket_id)
    for command in (creation, edit, hold, CancelOrder(creation.ticket_id, hold.order_id)):
        expect(TicketAnswer, await market.ask_ticket(command))
    expect(TicketAnswer, await market.ask_ticket(WithdrawTicket(creation.ticket_id, creation.seller_id)))
    return creation.ticket_id


async def stubs(database: Database) -> dict[str, Any]:
    return {one["_id"]: one async for one in database["journal"].find({"archive": {"$exists": True}})}


async def everything_in(database: Database) -> dict[str, Any]:
    return {one["_id"]: one async for one in database["journal"].find()}


async def nothing_is_lost(database: Database, folder: Path, journal: dict[str, Any]) -> None:
    """Every commit says in the journal or in the file that it points to what it said."""
    files = {
        path.name.partition(".")[0]: {(one := bson.decode(raw_one))["_id"]: one for raw_one in documents_in(path)}
        for path in files_in(folder, "*.bson.gz")
    }
    for name, commit in (await everything_in(database)).items():
        whole = files[commit["archive"]][name] if "archive" in commit else commit
        assert name not in journal or whole == journal[name]


async def archive(url: str, folder: Path, before: int, file_bytes: int) -> None:
    async with connect(url) as client:
        await Archive(database_of(client), folder, before, file_bytes=file_bytes).run()


if __name__ == "__main__":
    asyncio.run(archive(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
