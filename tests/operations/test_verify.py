"""`holdfast verify` reads ledgers of any length to their end."""

import asyncio
from datetime import UTC, datetime

from actors.domain.codec import Document
from cli import verify
from config.settings import Settings
from tests.support.fake_mongod import NOTHING_FOUND, FakeMongod

# Longer than the market itself waits for a sign of life, and looked at more often, so that it would be noticed.
BUSY_SECONDS = 2.5
HEARTBEAT_MS = 500


async def test_a_database_that_answers_nobody_while_it_reads_all_orders_is_waited_for() -> None:
    def find(command: Document) -> Document:
        if command["find"] == "orders":
            server.free.clear()
            asyncio.get_running_loop().call_later(BUSY_SECONDS, server.free.set)
        return NOTHING_FOUND

    server = FakeMongod(find=find, hello=lambda _: {"localTime": datetime.now(UTC)})
    async with server.running():
        found = await verify.report(Settings(mongodb_url=f"{server.url}?heartbeatFrequencyMS={HEARTBEAT_MS}"))
    assert [command["find"] for command in server.asked_for("find")].count("orders") == 1
    assert (found.orders, found.violations) == (0, set())
