"""What the market asks of the database as it goes about its work is answered from an index, however much is stored."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from actors.domain.messages import Pay
from actors.storage import database
from config.settings import Settings
from tests.support.buying import VISA, an_order
from tests.support.local_market import LocalMarket, local_market


class Finds(CommandListener):
    """Keeps what was asked, one of each kind."""

    def __init__(self) -> None:
        self.asked: dict[tuple[str, ...], dict[str, Any]] = {}

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find":
            asked = {part: event.command[part] for part in ("find", "filter", "sort") if part in event.command}
            self.asked[(asked["find"], *sorted(asked["filter"]))] = asked

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@pytest.fixture
def finds() -> Finds:
    return Finds()


@pytest.fixture
async def market(
    market_settings: Settings, finds: Finds, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalMarket]:
    monkeypatch.setattr(database, "AsyncMongoClient", partial(AsyncMongoClient, event_listeners=[finds]))
    async with local_market(market_settings) as market:
        yield market


async def test_neither_purchases_nor_the_supervisor_read_whole_collections(market: LocalMarket, finds: Finds) -> None:
    for _ in range(2):
        order = await an_order(market)
        await market.pay(Pay(order.id, VISA))
        await market.rescue().round(market.live, set())
        # As the Supervisor does about a writer that died.
        await market.rescue().round({"tickets-0": "another"}, set())
        await market.resumption().round()

    assert ("journal", "_id") in finds.asked
    assert len(finds.asked) > 8
    plans = {kind: await _plan(market, asked) for kind, asked in finds.asked.items()}
    assert [kind for kind, plan in plans.items() if "COLLSCAN" in plan] == []


async def _plan(market: LocalMarket, asked: dict[str, Any]) -> str:
    explained = await market.connections.database.command("explain", asked, verbosity="queryPlanner")
    return str(explained["queryPlanner"]["winningPlan"])
