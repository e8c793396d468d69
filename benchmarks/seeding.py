"""Many tickets at once: what a TicketActor would have written for them, commits and whole documents, in bulk."""

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import count

from bson import ObjectId

from actors.cluster import names
from actors.domain.ticket import Ticket, evolve
from actors.domain.ticket_events import TicketCreated
from actors.domain.ticket_values import TicketDetails
from actors.read_model.projections import ticket_document
from actors.runtime.ports import Checkpoint, Commit, RecordedEvent, commit_id
from actors.storage.checkpoints import MongoCheckpoints
from actors.storage.database import connect, database_of
from actors.storage.journal import MongoJournal

PRICE = 2_500
# As many events as a turn of a host has when sellers list over 64 connections.
TURN = 32
HOST = f"{names.TICKETS}-seed"
ARTISTS = 1_000
CITIES = ("Lisbon", "Porto", "Madrid", "Vienna", "Oslo", "Bergen", "Ghent", "Turin")

Advance = Callable[[int], None]


def artist(number: int) -> str:
    """The word that the title of every thousandth ticket has."""
    return f"artist{number % ARTISTS}"


def seed(database_url: str, tickets: int, advance: Advance = lambda _: None) -> list[str]:
    """List so many tickets of one seller and return their ids; `advance` hears of each turn.

    Raises StoreUnavailableError and PyMongoError.
    """
    return asyncio.run(_seed(database_url, tickets, advance))


async def _seed(database_url: str, tickets: int, advance: Advance) -> list[str]:
    ids: list[str] = []
    # With a million tickets the embedded database stops for its checkpoints.
    async with connect(database_url, patience_ms=120_000) as client:
        database = database_of(client)
        journal, writer, last = MongoJournal(database), f"{HOST}-{ObjectId()}", -(-tickets // TURN)
        # As a TicketActor's that is through: or the Supervisor, and whoever publishes a later event of one of these
        # tickets, would publish all of them first.
        await MongoCheckpoints(database).save(Checkpoint(writer, HOST, last, last, time.time_ns() // 1_000_000))
        for commit, listed in turns(writer, tickets):
            await journal.append(commit)
            await database["tickets"].insert_many([ticket_document(ticket) for ticket in listed], ordered=False)
            ids.extend(ticket.id for ticket in listed)
            advance(len(listed))
    return ids


def turns(writer: str, tickets: int) -> Iterator[tuple[Commit, list[Ticket]]]:
    """The commits of a writer that lists so many tickets, each with the tickets that it lists."""
    seller = str(ObjectId())
    for seq in count(1):
        numbers = range((seq - 1) * TURN, min(seq * TURN, tickets))
        if not numbers:
            return
        at = time.time_ns() // 1_000_000
        listed, records = [], []
        for number in numbers:
            ticket_id = str(ObjectId())
            # Few words: each is an entry of the index, and a million tickets take minutes as it is.
            details = TicketDetails(
                f"{artist(number)} {number}", PRICE, "usd", category="concert", city=CITIES[number % len(CITIES)]
            )
            event = TicketCreated(seller, details)
            records.append(RecordedEvent(f"ticket:{ticket_id}", 1, at, event))
            listed.append(evolve(None, event, at, ticket_id, commit=commit_id(writer, seq)))
        yield Commit(writer, seq, at, tuple(record.key for record in records), tuple(records)), listed
