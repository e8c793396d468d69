"""A backup while people buy is the journal at one moment; killed it is taken again."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import bson
import pytest

from actors.domain.purchase_commands import Pay
from actors.runtime.ports import commit_id, parse_commit_id
from actors.storage import backup
from actors.storage.backup import JOURNAL, Backup
from actors.storage.backup_files import BackupError, checked_manifest, documents_in, file_name
from actors.storage.database import Database
from actors.storage.journal import MongoJournal
from benchmarks.support.running_market import HOLDFAST, RunningMarket
from tests.operations.test_backup import backed_up, command, everything, restored, target, target_url
from tests.operations.test_rebuild import after_trading
from tests.support.buying import VISA, an_order
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket

__all__ = ["target", "target_url"]

DAY_MS = 86_400_000
MOST_TRIES = 10


class Shop:
    """People who buy in a market until they are told to stop."""

    def __init__(self, market: LocalMarket, people: int = 8) -> None:
        self.sold: list[str] = []
        self._market = market
        self._stop = asyncio.Event()
        self._people = [asyncio.create_task(self._buy()) for _ in range(people)]

    async def _buy(self) -> None:
        while not self._stop.is_set():
            order = await an_order(self._market)
            await self._market.pay(Pay(order.id, VISA))
            self.sold.append(order.id)

    async def sells(self, more: int) -> None:
        until = len(self.sold) + more
        await eventually(lambda: len(self.sold) >= until, seconds=60)

    async def close(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._people)


class OneWriterAfterTheOther(MongoJournal):
    """Returns the charges' commits, and those of tickets when people have bought some more: no order of arrival."""

    shop: Shop

    async def stored(self) -> AsyncIterator[bytes]:
        commits = [commit async for commit in super().stored()]
        await self.shop.sells(8)
        for commit in commits:
            if b"payments-0-" in commit[:60]:
                yield commit
        async for commit in super().stored():
            if b"payments-0-" not in commit[:60]:
                yield commit


async def sold_without_their_charge(database: Database) -> set[str]:
    """Orders that are sold and whose charge was never authorised; that happens at another actor, before."""
    found = await everything(database, "orders", "charges")
    paid = {one["order_id"] for one in found["charges"].values() if one["status"] in {"authorised", "completed"}}
    return {name for name, order in found["orders"].items() if order["status"] == "complete"} - paid


async def test_a_backup_under_load_is_the_journal_at_one_moment_in_whatever_order_it_is_read(
    tmp_path: Path, market: LocalMarket, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "MongoJournal", OneWriterAfterTheOther)
    OneWriterAfterTheOther.shop = shop = Shop(market)
    await shop.sells(20)
    sold_before = set(shop.sold)
    folder = await backed_up(market, tmp_path)
    await shop.close()
    journal = await restored(target, folder)
    whole, kept = await everything(market.connections.database, JOURNAL), await everything(target, JOURNAL)
    assert kept[JOURNAL].items() < whole[JOURNAL].items()
    assert await journal.with_gaps() == set()
    assert _numbers_without_gaps(kept[JOURNAL])
    orders = (await everything(target, "orders"))["orders"]
    assert {order_id for order_id, order in orders.items() if order["status"] == "complete"} >= sold_before
    assert await sold_without_their_charge(target) == set()


async def test_without_the_cut_a_backup_under_load_is_of_no_moment(
    tmp_path: Path, market: LocalMarket, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TakesWhatItReads(Backup):
        async def _commits_before(self, cut: int) -> AsyncIterator[bytes]:
            self._clocks_apart_ms = -DAY_MS
            async for commit in super()._commits_before(cut + DAY_MS):
                yield commit

    monkeypatch.setattr(backup, "MongoJournal", OneWriterAfterTheOther)
    OneWriterAfterTheOther.shop = shop = Shop(market)
    await shop.sells(20)
    connections = market.connections
    for attempt in range(MOST_TRIES):  # the check of what was read may notice it by itself, and is no part of this
        with suppress(BackupError):
            await TakesWhatItReads(connections.database, connections.clock).write(tmp_path / f"backup-{attempt}")
            break
    else:
        raise AssertionError(f"no backup in {MOST_TRIES} tries")
    await shop.close()
    await restored(target, tmp_path / f"backup-{attempt}")
    assert await sold_without_their_charge(target)


async def test_a_commit_that_the_database_did_not_return_fails_the_backup_and_one_that_is_lost_does_not(
    tmp_path: Path, market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ForgetsOne(MongoJournal):
        async def stored(self) -> AsyncIterator[bytes]:
            async for commit in super().stored():
                if lost.encode() not in commit[:60]:
                    yield commit

    order = await an_order(market)
    await market.pay(Pay(order.id, VISA))
    lost = commit_id(market.tickets.host.writer, 2)
    with monkeypatch.context() as forgetting:
        forgetting.setattr(backup, "MongoJournal", ForgetsOne)
        with pytest.raises(BackupError, match="take the backup again"):
            await backed_up(market, tmp_path)
    await market.connections.database["journal"].delete_one({"_id": lost})
    folder = await backed_up(market, tmp_path)
    commits = [bson.decode(one)["_id"] for one in documents_in(folder / file_name(JOURNAL))]
    assert commits
    assert lost not in commits


async def test_a_backup_that_was_killed_is_taken_again(tmp_path: Path, market: LocalMarket) -> None:
    await after_trading(market)
    environment = {**RunningMarket(tmp_path).environment, "MONGODB_URL": str(market.settings.mongodb_url)}
    killed = await asyncio.create_subprocess_exec(HOLDFAST, "backup", "b", env=environment, cwd=tmp_path)
    await eventually((tmp_path / "b.unfinished" / file_name("users")).exists, seconds=30)
    killed.kill()
    await killed.wait()
    assert os.listdir(tmp_path) == ["b.unfinished"]  # noqa: PTH208 - not asynchronous
    await command(tmp_path, "backup", "b", url=market.settings.mongodb_url)
    assert os.listdir(tmp_path) == ["b"]  # noqa: PTH208 - not asynchronous
    assert checked_manifest(tmp_path / "b").collections[JOURNAL].documents > 0


async def test_a_backup_that_lacks_a_commit_is_found_out(tmp_path: Path, market: LocalMarket, target: Database) -> None:
    class LosesACommit(Backup):
        async def _commits_before(self, cut: int) -> AsyncIterator[bytes]:
            commits = [commit async for commit in super()._commits_before(cut)]
            for commit in (*commits[:1], *commits[2:]):
                yield commit

    await an_order(market)
    order = await an_order(market)
    await market.pay(Pay(order.id, VISA))
    await LosesACommit(market.connections.database, market.connections.clock).write(tmp_path / "backup")
    journal = await restored(target, tmp_path / "backup")
    assert await journal.with_gaps() or not _numbers_without_gaps((await everything(target, JOURNAL))[JOURNAL])


def _numbers_without_gaps(commits: dict[str, Any]) -> bool:
    numbers: dict[str, list[int]] = {}
    for commit in commits:
        writer, seq = parse_commit_id(commit)
        numbers.setdefault(writer, []).append(seq)
    return all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())
