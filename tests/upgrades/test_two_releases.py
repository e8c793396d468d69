"""The previous release and today's run side by side on one database, forward and back, while people buy."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pydantic import SecretStr

from cli import verify
from config.settings import Settings
from tests.support import journal_checks
from tests.support.local_market import local_market
from tests.upgrades import releases
from tests.upgrades.releases import HERE, NoHistoryError, Release, previous_release

pytestmark = pytest.mark.slow

# Of each release and step; three ways of buying need some of each.
TICKETS = 9
NAMES = ("tickets-0", "payments-0", "orders-0")
EXPECTED = {
    "reserve": {"reserved": 9},
    "pm_card_visa": {"complete": 3},
    "pm_card_chargeDeclined": {"cancelled": 3},
    "cancel": {"available": 3},
    "read": {"sold": 3, "available": 6},
}


@pytest.fixture
def settings(mongodb_url: str, redis_url: str) -> Settings:
    own = urlsplit(mongodb_url)._replace(path=f"/t{ObjectId()}").geturl()
    return Settings(mongodb_url=own, redis_url=redis_url, jwt_key=SecretStr("a key that only tests know and trust"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need it."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


async def test_two_releases_side_by_side_serve_everybody_forward_and_back(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    try:
        old = Release(previous_release(tmp_path), folder, settings)
    except NoHistoryError as error:
        pytest.fail(str(error))
    new = Release(HERE, folder, settings)
    async with AsyncExitStack() as stack:
        actors = dict(zip(NAMES, await asyncio.gather(*map(old.begin, NAMES)), strict=True))
        people = await asyncio.gather(old.trader(), new.trader())
        for process in (*actors.values(), *people):
            stack.push_async_callback(process.kill)
        for release in (new, old):
            for name in NAMES:
                # Each buys what the other listed, while an actor is renewed.
                for_sale = [await person.told(list=TICKETS) for person in people]
                trading = asyncio.gather(*(p.told(buy=ids) for p, ids in zip(people, reversed(for_sale), strict=True)))
                successor = await release.begin(name)
                stack.push_async_callback(successor.kill)
                await actors[name].kill()
                actors[name] = successor
                assert await trading == [EXPECTED, EXPECTED], f"{name} of {release.tree}"
    await nothing_is_wrong(settings)


async def nothing_is_wrong(settings: Settings) -> None:
    """What both wrote is whole, as today's release reads it; what dead writers left it carries on."""
    async with local_market(settings) as market:
        await market.rescue().round(market.live, set())
        database = market.connections.database
        assert await journal_checks.created_twice(database) == set()
        assert await journal_checks.held_twice(database) == set()
        assert await journal_checks.with_gaps(database) == set()
        orders = await journal_checks.orders(database)
        assert len(orders) == TICKETS * len(NAMES) * 2 * 2
        assert await market.connections.queries.orders(list(orders)) == orders
    found = await verify.report(settings)
    assert not found.violations
    assert found.completed == len(orders) / 3


def test_a_checkout_without_the_history_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = tmp_path / "previous_release.txt"
    unknown.write_text(f"{'0' * 40}\n")
    monkeypatch.setattr(releases, "PREVIOUS", unknown)
    with pytest.raises(NoHistoryError, match="git fetch --unshallow"):
        previous_release(tmp_path / "tree")
