"""The previous release and today's run side by side on one database, forward and back, while people buy."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pydantic import SecretStr

from actors.storage.database import connect, database_of
from actors.storage.ledger_reader import reconcile
from actors.storage.schema import UnusableDataError, check_schema
from config.settings import Settings
from tests.support import journal_checks
from tests.support.buying import Ahead
from tests.support.local_market import local_market
from tests.upgrades import releases
from tests.upgrades.releases import (
    GIFT,
    HERE,
    NoHistoryError,
    Process,
    Release,
    previous_release,
    that_nobody_understands,
    with_a_breaking_schema,
    with_gifts,
)

pytestmark = pytest.mark.slow

# Of each release and step; three ways of buying need some of each.
TICKETS = 6
HOUR_MS = 3_600_000
NAMES = ("tickets-0", "payments-0", "orders-0")
FINISHED = {
    "pm_card_visa": {"complete": 2},
    "pm_card_chargeDeclined": {"cancelled": 2},
    "cancel": {"available": 2},
    "read": {"sold": 2, "available": 4},
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


@pytest.fixture
def previous(settings: Settings, folder: Path, tmp_path: Path) -> Release:
    try:
        return Release(previous_release(tmp_path), folder, settings)
    except NoHistoryError as error:
        pytest.fail(str(error))


class SideBySide:
    """A market whose actors are renewed while people of both releases buy what the others listed."""

    def __init__(self, *people: Process) -> None:
        self.people = people
        self.actors: dict[str, Process] = {}

    async def renew(self, release: Release, *names: str) -> None:
        """Let actors of this release take the place of those that are there."""
        for name, successor in zip(names, await asyncio.gather(*map(release.begin, names)), strict=True):
            if name in self.actors:
                await self.actors[name].kill()
            self.actors[name] = successor

    async def hold(self) -> list[dict[str, str]]:
        for_sale = [await person.told(list=TICKETS) for person in self.people]
        return [await person.told(hold=ids) for person, ids in zip(self.people, reversed(for_sale), strict=True)]

    async def finish(self, orders: list[dict[str, str]]) -> list[dict[str, dict[str, int]]]:
        asked = (person.told(finish=one) for person, one in zip(self.people, orders, strict=True))
        return list(await asyncio.gather(*asked))

    async def end(self) -> None:
        for process in (*self.people, *self.actors.values()):
            await process.kill()


@asynccontextmanager
async def side_by_side(one: Release, other: Release) -> AsyncIterator[SideBySide]:
    """All actors are of the first one."""
    market = SideBySide(*await asyncio.gather(one.trader(), other.trader()))
    try:
        await market.renew(one, *NAMES)
        yield market
    finally:
        await market.end()


async def test_two_releases_side_by_side_serve_everybody_forward_and_back(
    settings: Settings, folder: Path, previous: Release
) -> None:
    today = Release(HERE, folder, settings)
    async with side_by_side(previous, today) as market:
        for release in (today, previous):
            for name in NAMES:
                held = await market.hold()
                answers, _ = await asyncio.gather(market.finish(held), market.renew(release, name))
                assert answers == [FINISHED, FINISHED], f"{name} of {release.tree}"
    await nothing_is_wrong(settings, orders=2 * len(NAMES) * 2 * TICKETS)


async def test_order_fields_added_by_a_newer_release_are_kept_by_todays(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    today, tomorrow = (Release(tree, folder, settings) for tree in (HERE, with_gifts(tmp_path)))
    assert await tomorrow.migrate() == (0, "")
    async with side_by_side(today, tomorrow) as market:
        held = await market.hold()
        await market.renew(tomorrow, "tickets-0")
        assert await market.finish(held) == [FINISHED, FINISHED]
        held_by_tomorrow = await market.hold()
        await market.renew(today, "tickets-0")
        assert await market.finish(held_by_tomorrow) == [FINISHED, FINISHED]
    await nothing_is_wrong(settings, orders=2 * 2 * TICKETS)
    ours = {order_id for orders in held_by_tomorrow for order_id in orders.values()}
    assert {order_id for order_id, gifts in (await gifts_by_order(settings)).items() if gifts == {GIFT}} >= ours


async def test_a_database_that_a_breaking_release_migrated_is_refused_by_todays_with_one_line(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    today, breaking = (Release(tree, folder, settings) for tree in (HERE, with_a_breaking_schema(tmp_path)))
    assert await breaking.migrate() == (0, "")
    refused, said = await today.migrate()
    assert (refused, said.count("\n")) == (1, 1)
    assert "the database is of a newer release" in said
    async with connect(str(settings.mongodb_url)) as client:
        with pytest.raises(UnusableDataError):
            await check_schema(database_of(client))


async def gifts_by_order(settings: Settings) -> dict[str, set[str | None]]:
    """For whom each order is, as each of its events says."""
    found: dict[str, set[str | None]] = defaultdict(set)
    async with connect(str(settings.mongodb_url)) as client:
        async for commit in database_of(client)["journal"].find():
            for order in (event["data"].get("order") for event in commit["events"]):
                if order is not None:
                    found[order["id"]].add(order.get("gift_for"))
    return found


async def test_control_a_release_that_nobody_understands_is_noticed(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    today, stranger = (Release(tree, folder, settings) for tree in (HERE, that_nobody_understands(tmp_path)))
    async with side_by_side(today, today) as market:
        held = await market.hold()
        await market.renew(stranger, "tickets-0")
        answers = await market.finish(held)
    assert answers != [FINISHED, FINISHED]
    assert set(answers[0]["read"]) == {"Unavailable"}


async def nothing_is_wrong(settings: Settings, *, orders: int) -> None:
    """What both wrote is whole, as today's release reads it; what dead writers left it relays."""
    async with local_market(settings) as market:
        await market.recovery().round(market.live, set())
        database = market.connections.database
        assert await journal_checks.created_twice(database) == set()
        assert await journal_checks.held_twice(database) == set()
        assert await journal_checks.with_gaps(database) == set()
        told = await journal_checks.orders(database)
        assert len(told) == orders
        assert await market.connections.queries.orders(list(told)) == told
        # By then nothing is left out as too recent.
        found = await reconcile(database, market.stripe, Ahead(market.connections.clock, HOUR_MS))
    assert not found.violations
    assert (found.completed, found.in_progress) == (orders / 3, 0)


def test_a_checkout_without_the_history_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = tmp_path / "previous_release.txt"
    unknown.write_text(f"{'0' * 40}\n")
    monkeypatch.setattr(releases, "PREVIOUS", unknown)
    with pytest.raises(NoHistoryError, match="git fetch --unshallow"):
        previous_release(tmp_path / "tree")
