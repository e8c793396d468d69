"""The journal read from a moment on: events of one entity in their order, though their writers' clocks differ."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest

from actors.domain.charge_events import ChargeAuthorised, ChargeCreated, ChargeEvent, ChargeIntentCreated
from actors.events.journal_history import MOST_SKEW_MS, JournalHistory
from actors.runtime.ports import Commit, Instant, RecordedEvent, commit_id
from holdfast.events.partitions import PARTITIONS
from tests.simulation.contracts.examples import a_charge, recorded
from tests.support.examples import NOW
from tests.support.local_market import LocalMarket
from tests.support.trading import held, listed

CHARGE = a_charge()
ENTITY = f"charge:{CHARGE.id}"
KINDS: dict[int, type[ChargeEvent]] = {1: ChargeCreated, 2: ChargeIntentCreated, 3: ChargeAuthorised}
STEADY, SLOW = "payments-0-a", "payments-0-b"


@dataclass
class _Written:
    """A journal and who wrote to it."""

    commits: Sequence[Commit]

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        found = [one for one in self.commits if one.writer == writer and one.seq > seq]
        return sorted(found, key=lambda one: one.seq)[:limit]

    async def committed_at(self, writer: str, seq: int) -> Instant | None:
        return next((one.at for one in self.commits if (one.writer, one.seq) == (writer, seq)), None)

    async def history(self, entity: str, after: int = 0, limit: int = 200) -> list[RecordedEvent]:
        records = (record for one in self.commits for record in one.records)
        found = [record for record in records if record.entity == entity and record.version > after]
        return sorted(found, key=lambda record: record.version)[:limit]

    async def writers_since(self, _at: Instant) -> dict[str, int]:
        numbers: dict[str, int] = {}
        for one in self.commits:
            numbers[one.writer] = max(one.seq, numbers.get(one.writer, 0))
        return numbers

    async def changed_since(self, _at: Instant) -> AsyncIterator[str]:
        nobody: tuple[str, ...] = ()
        for user_id in nobody:
            yield user_id


def written(writer: str, seq: int, at: Instant, version: int) -> Commit:
    """A commit with one event of the charge."""
    event = KINDS[version](replace(CHARGE, version=version))
    record = RecordedEvent(ENTITY, version, at, event, commit=commit_id(writer, seq))
    return Commit(writer, seq, at, (record.key,), (record,))


async def events_since(at: Instant, commits: Sequence[Commit]) -> list[tuple[str, int]]:
    journal = _Written(commits)
    history = JournalHistory(journal, journal, journal, "test")
    return [(event.entity, event.version) async for event in history.since(at, range(PARTITIONS))]


@pytest.mark.parametrize("behind_ms", [0, 1, 400, 1_000])
async def test_a_charge_that_another_writer_goes_on_with_is_in_order_whatever_its_clock_says(behind_ms: int) -> None:
    commits = [
        written(STEADY, 1, NOW, 1),
        written(STEADY, 2, NOW + 100, 2),
        written(SLOW, 1, NOW + 100 - behind_ms, 3),
    ]

    assert await events_since(NOW - 10_000, commits) == [(ENTITY, 1), (ENTITY, 3)]


async def test_what_came_before_is_waited_for_no_longer_than_clocks_may_differ() -> None:
    def of_a_ticket(seq: int, at: Instant) -> Commit:
        record = recorded(1, entity=f"ticket:{seq:024x}")
        return Commit("tickets-0-a", seq, at, (record.key,), (record,))

    # Its first versions are of a minute before the moment.
    commits = [
        written(STEADY, 1, NOW - 60_000, 1),
        written(STEADY, 2, NOW - 59_000, 2),
        written(STEADY, 3, NOW, 3),
        of_a_ticket(1, NOW + MOST_SKEW_MS),
        of_a_ticket(2, NOW + MOST_SKEW_MS + 1),
    ]

    found = await events_since(NOW, commits)

    assert found == [(f"ticket:{1:024x}", 1), (ENTITY, 3), (f"ticket:{2:024x}", 1)]


async def test_what_waited_for_a_version_that_never_comes_is_there_at_the_end() -> None:
    assert await events_since(NOW, [written(STEADY, 1, NOW - 1, 2), written(STEADY, 2, NOW, 3)]) == [(ENTITY, 3)]


async def test_a_commit_is_not_of_before_its_events_though_its_writers_clock_is_behind(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ticket_id,) = await listed(market)
    listed_at = market.connections.clock.now()
    monkeypatch.setattr(market.connections.clock, "now", lambda: listed_at - 3_000)

    hold = await held(market, ticket_id)

    commit = await market.connections.database["journal"].find_one({"keys": f"order:{hold.order_id}"})
    assert commit is not None
    assert commit["at"] >= commit["events"][0]["at"] > listed_at - 3_000
