"""What the market asks of the database as it goes about its work is answered from an index, however much is stored."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from actors.domain.purchase_commands import Pay
from actors.storage import database
from config.settings import Settings
from tests.support.buying import VISA, an_order
from tests.support.commands import Commands
from tests.support.local_market import LocalMarket, local_market


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
async def market(
    market_settings: Settings, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalMarket]:
    monkeypatch.setattr(database, "AsyncMongoClient", partial(AsyncMongoClient, event_listeners=[commands]))
    async with local_market(market_settings) as market:
        yield market


async def test_purchases_and_the_supervisor_read_no_whole_collections(market: LocalMarket, commands: Commands) -> None:
    for _ in range(2):
        order = await an_order(market)
        await market.pay(Pay(order.id, VISA))
        await market.recovery().round(market.live, set())
        # As the Supervisor does about a writer that died.
        await market.recovery().round({"tickets-0": "another"}, set())
        await market.stalled_purchases().round()

    assert ("journal", "_id") in commands.finds
    assert len(commands.finds) > 8
    plans = {kind: await _plan(market, asked) for kind, asked in commands.finds.items()}
    assert [kind for kind, plan in plans.items() if "COLLSCAN" in plan] == []


async def _plan(market: LocalMarket, asked: Mapping[str, Any]) -> str:
    explained = await market.connections.database.command("explain", dict(asked), verbosity="queryPlanner")
    return str(explained["queryPlanner"]["winningPlan"])
