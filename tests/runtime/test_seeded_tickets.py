"""Tickets that benchmarks list in bulk are to the market as if a TicketActor had listed them."""

import asyncio

from benchmarks import seeding
from tests.support.local_market import LocalMarket

TICKETS = seeding.TURN + 7


async def test_recovery_finds_nothing_to_do_for_seeded_tickets(market: LocalMarket) -> None:
    assert market.settings.mongodb_url is not None
    ids = await asyncio.to_thread(seeding.seed, market.settings.mongodb_url, TICKETS)

    await market.recovery().round(market.live, set())

    stored = await market.connections.queries.tickets(ids)
    assert len(stored) == TICKETS
    [seeded] = [
        checkpoint for checkpoint in await market.connections.checkpoints.all() if checkpoint.host == seeding.HOST
    ]
    assert (seeded.applied, seeded.published) == (2, 2)
    assert not await market.connections.journal.after(seeded.writer, seeded.published, 10)
